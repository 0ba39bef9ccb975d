// Records on a time axis, one row each: they arrive, wait, are invoked in batches, come back, end.
// The kernel plays the scenario anew, by the rules of the live Lambda, at each move of a knob and
// each click on a record; this module, which follows virtual.js, only draws what came of it.

const LEFT = 62, RIGHT = 52, TOP = 4, HEAD = 20, BOTTOM = 38, GAP = 6;
const ROWS_HEIGHT = 340, ROW_MIN = 11, ROW_MAX = 17;
const DRAG_MS = 1000;                 // moves of a knob within this belong together
const SPAN_MIN_MS = 10_000;
const SPAN_STEP_MS = 2000;

const WORDS = {
  sqs: { record: "message", queue: "queue", failed: "hidden until the visibility timeout is over", end: "DLQ" },
  kinesis: { record: "record", queue: "shard", failed: "failed, to be tried again", end: "given up" },
};

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

const look = (name) => `labkit-batching-${name}`;
const stroke = (x1, y1, x2, y2, name) => element("line", { x1, y1, x2, y2, class: look(name) });
const box = (x, y, width, height, name, rx = 0) =>
  element("rect", { x, y, width: Math.max(width, 0), height: Math.max(height, 0), rx, class: look(name) });
const label = (x, y, words, anchor = "start", name = "words") =>
  element("text", { x, y, "text-anchor": anchor, class: look(name) }, words);
const shape = (d, name, x = 0, y = 0) => element("path", { d, class: look(name), transform: `translate(${x} ${y})` });

const MARKS = {
  done: "M-4 0-1 3 4-3",
  failed: "M0-4 4 3-4 3Z",
  end: "M-4-4H4V4H-4ZM0-2.4V2M-2 .4 0 2.4 2 .4",
};

// ---------------------------------------------------------------- what is known of a record

// Where a record is at a time, in a word.
function stateAt(life, attempts, time) {
  if (time < life.arrived) return "away";
  if (life.ended !== null && time >= life.ended) return life.end;
  const own = attempts.filter((attempt) => attempt.start <= time && attempt.records.includes(life.number));
  if (own.length === 0) return "waiting";
  if (time < own.at(-1).end) return "running";
  const seen = life.visible.filter((visible) => visible <= time).at(-1);
  return seen > own.at(-1).start ? "waiting" : "failed";
}

function countStates(run, time) {
  const counts = { away: 0, waiting: 0, running: 0, failed: 0, done: 0, dead_letter: 0, discarded: 0 };
  for (const life of run.records) counts[stateAt(life, run.attempts, time)]++;
  return counts;
}

function spokenCounts(run, time) {
  const counts = countStates(run, time), words = WORDS[run.source];
  const parts = [
    [counts.away, "to come"],
    [counts.waiting, "waiting"],
    [counts.running, "in the function"],
    [counts.failed, words.failed],
    [counts.done, "done"],
    [counts.dead_letter, "in the dead-letter queue"],
    [counts.discarded, "given up"],
  ];
  return parts.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(" · ");
}

// The life of a record in [term, text] pairs.
function tell(run, life) {
  const words = WORDS[run.source], facts = [];
  facts.push(["arrived", `at ${seconds(life.arrived)}${run.source === "kinesis" ? `, partition key ${life.key}` : ""}`]);
  const own = run.attempts.filter((attempt) => attempt.records.includes(life.number));
  for (const attempt of own) {
    const failed = attempt.failed.includes(life.number);
    const count = plural(attempt.records.length, words.record);
    facts.push([
      `invoked`,
      `at ${seconds(attempt.start)} in batch ${attempt.batch} (${count}, closed by ${attempt.reason}): ${failed ? "failed" : "done"}`,
    ]);
  }
  const ends = {
    done: "done", dead_letter: "moved to the dead-letter queue", discarded: "given up by the mapping", waiting: "not handled yet",
  };
  facts.push(["end", life.ended === null ? ends.waiting : `${ends[life.end]} at ${seconds(life.ended)}`]);
  return facts;
}

// ---------------------------------------------------------------- places

// Where rows and times lie. Rows are in the order of their lanes.
function makeScale(run, width, span) {
  const rows = [...run.records].sort((a, b) => a.lane - b.lane || a.number - b.number);
  const row = clamp(Math.floor(ROWS_HEIGHT / rows.length), ROW_MIN, ROW_MAX);
  const y = new Map(), lanes = [];
  let top = TOP;
  run.lanes.forEach((name, index) => {
    const own = rows.filter((life) => life.lane === index);
    const lane = { name, top, first: top + HEAD, index, own };
    own.forEach((life, place) => y.set(life.number, lane.first + place * row));
    lane.bottom = lane.first + Math.max(own.length, 1) * row;
    top = lane.bottom + GAP;
    lanes.push(lane);
  });
  const floor = top, right = width - RIGHT, left = LEFT + 8;
  return {
    width, row, rows, lanes, floor, left, right, span, height: floor + BOTTOM,
    x: (time) => left + ((right - left) * time) / span,
    time: (x) => (clamp(x, left, right) - left) * span / (right - left),
    y: (record) => y.get(record),
    at: (place) => rows.find((life) => place >= y.get(life.number) && place < y.get(life.number) + row),
  };
}

// Records of an attempt whose rows follow each other, as [first, last] pairs of places.
function blocks(scale, attempt) {
  const tops = attempt.records.map(scale.y).sort((a, b) => a - b), found = [];
  for (const top of tops) {
    if (found.length && Math.abs(top - found.at(-1)[1] - scale.row) < 0.5) found.at(-1)[1] = top;
    else found.push([top, top]);
  }
  return found;
}

// ---------------------------------------------------------------- the picture

function drawAxis(scale, source) {
  const nodes = [];
  for (const time of timeTicks(scale.span, (scale.right - scale.left) / 46)) {
    const x = scale.x(time);
    nodes.push(stroke(x, TOP + HEAD, x, scale.floor, "grid"));
    nodes.push(label(x, scale.floor + 14, number(time / 1000), "middle"));
  }
  nodes.push(stroke(scale.left, scale.floor, scale.right, scale.floor, "axis"));
  const words = `seconds since the first ${WORDS[source].record} arrived`;
  nodes.push(label((scale.left + scale.right) / 2, scale.floor + 30, words, "middle"));
  return nodes;
}

function drawLane(scale, lane, run) {
  const nodes = [label(2, lane.top + 13, lane.name, "start", "lane")];
  if (lane.index > 0) nodes.push(stroke(2, lane.top - GAP / 2, scale.right, lane.top - GAP / 2, "grid"));
  for (const [from, to] of run.blocked.filter((stretch) => stretch.lane === lane.index).map((each) => [each.from, each.to])) {
    const x = scale.x(from), width = scale.x(to) - x;
    nodes.push(box(x, lane.first - 3, width, lane.bottom - lane.first + 4, "blocked", 3));
    const words = `blocked ${seconds(to - from)}`;
    const room = scale.right - x;
    nodes.push(label(room > 90 ? x + 2 : scale.right, lane.top + 13, words, room > 90 ? "start" : "end", "note"));
  }
  return nodes;
}

// The waits of a record: dotted after a failure, until it can be had again.
function drawRow(scale, life, run) {
  const middle = scale.y(life.number) + scale.row / 2, nodes = [];
  const own = run.attempts.filter((attempt) => attempt.records.includes(life.number));
  const stop = Math.min(life.ended ?? run.end_ms, scale.span);
  [null, ...own].forEach((before, place) => {
    const from = before ? before.end : life.arrived, to = own[place]?.start ?? stop;
    const back = before ? life.visible.find((time) => time > before.start) ?? to : from;
    const seen = clamp(back, from, Math.max(from, to));
    if (seen > from) nodes.push(stroke(scale.x(from), middle, scale.x(seen), middle, "hidden"));
    nodes.push(...drawWait(scale, seen, to, middle));
  });
  const dot = (time, index) =>
    element("circle", { cx: scale.x(time), cy: middle, r: index ? 2.2 : 3, class: look(index ? "again" : "arrival") });
  return [...nodes, ...life.visible.map(dot)];
}

function drawWait(scale, from, to, middle) {
  const x = scale.x(from), width = scale.x(to) - x;
  return width > 0.5 ? [box(x, middle - 2, width, 4, "wait", 2)] : [];
}

function drawEnd(scale, life, run) {
  if (life.ended === null) return [];
  const x = scale.x(life.ended), middle = scale.y(life.number) + scale.row / 2;
  if (life.end === "done") return [shape(MARKS.done, "done", x + 6, middle)];
  const room = WORDS[run.source].end;
  return [shape(MARKS.end, "end", x + 7, middle), label(x + 14, middle + 4, room, "start", "ended")];
}

// A batch in the function: one box, with what came of each record at its right edge.
function drawBatch(scale, attempt) {
  const x = scale.x(attempt.start), width = Math.max(scale.x(attempt.end) - x, 3);
  const found = blocks(scale, attempt), nodes = [];
  if (found.length > 1) nodes.push(stroke(x + width / 2, found[0][0], x + width / 2, found.at(-1)[1], "link"));
  for (const [first, final] of found) {
    const height = final - first + scale.row - 2;
    nodes.push(box(x, first + 1, width, height, "batch", 3));
  }
  for (const record of attempt.failed) {
    const top = scale.y(record);
    nodes.push(box(x + 0.5, top + 1, width - 1, scale.row - 2, "failed", 2));
    if (width > 9) nodes.push(shape(MARKS.failed, "mark", x + width - 6, top + scale.row / 2));
  }
  for (const [first, final] of found) nodes.push(box(x, first + 1, width, final - first + scale.row - 2, "outline", 3));
  const isFailed = attempt.failed.some((record) => scale.y(record) === found[0][0]);
  if (width >= 6 + 6 * attempt.batch.length + (isFailed ? 10 : 0)) {
    nodes.push(label(x + 4, found[0][0] + scale.row / 2 + 4, attempt.batch, "start", isFailed ? "number is-dark" : "number"));
  }
  return element("g", { class: look("attempt"), "data-batch": attempt.batch, "data-outcome": attempt.outcome }, ...nodes);
}

// While a batch is gathered: from its first record until it is closed.
function drawGathering(scale, attempt) {
  if (attempt.start - attempt.opened < 1) return [];
  const x = scale.x(attempt.opened), width = scale.x(attempt.start) - x;
  return blocks(scale, attempt).map(([first, final]) => box(x, first + 0.5, width, final - first + scale.row - 1, "gathering", 3));
}

function drawGhost(scale, ghost) {
  return ghost.attempts.flatMap((attempt) => attempt.records.map((record) => {
    const y = scale.y(record) + scale.row - 1.5, x = scale.x(attempt.start);
    return x > scale.right ? element("g") : stroke(x, y, Math.min(scale.x(attempt.end), scale.right), y, "ghost");
  }));
}

// ---------------------------------------------------------------- the widget's parts

function makeSwitch({ label: words }, onChange) {
  const tick = element("input", { type: "checkbox", ...OWN_KEYS });
  tick.addEventListener("change", () => onChange(tick.checked));
  return {
    node: element("label", { class: look("switch") }, tick, words),
    show: (value) => { tick.checked = value; },
    disable: (isOff) => { tick.disabled = isOff; },
  };
}

function makeKnob(about, onChange) {
  if (!about.stops.length) return makeSwitch(about, onChange);
  const knob = makeNumber(about, onChange);
  return { ...knob, node: labelled(about.label, knob.node) };
}

function legendItems(run) {
  const words = WORDS[run.source], has = (end) => run.records.some((life) => life.end === end);
  const failed = run.attempts.some((attempt) => attempt.failed.length);
  const outline = () => box(-10, -6, 20, 12, "outline", 3);
  const items = [
    [true, [element("circle", { cx: 0, cy: 0, r: 3, class: look("arrival") })], `a ${words.record} arrives`],
    [true, [box(-11, -2, 22, 4, "wait", 2)], `waits in the ${words.queue}`],
    [run.attempts.some((attempt) => attempt.start - attempt.opened >= 1), [box(-11, -6, 22, 12, "gathering", 3)], "a batch is gathered"],
    [true, [box(-10, -6, 20, 12, "batch", 3), outline()], "one invocation with a batch"],
    [failed, [box(-10, -6, 20, 12, "failed", 3), outline(), shape(MARKS.failed, "mark")], "failed in it"],
    [failed, [stroke(-11, 0, 11, 0, "hidden")], run.source === "sqs" ? "hidden: visibility timeout" : "waits to be tried again"],
    [run.blocked.length, [box(-11, -7, 22, 14, "blocked", 3)], "blocked: what is behind must wait"],
    [has("done"), [shape(MARKS.done, "done")], "done"],
    [has("dead_letter"), [shape(MARKS.end, "end")], "dead-letter queue"],
    [has("discarded"), [shape(MARKS.end, "end")], "given up: to the on-failure destination"],
    [run.ghost, [stroke(-10, 4, 10, 4, "ghost")], "the setting before"],
  ];
  const frame = { width: 24, height: 16, viewBox: "-12 -8 24 16", "aria-hidden": "true" };
  return items.filter(([isThere]) => isThere).map(([, shapes, said]) =>
    element("span", {}, element("svg", frame, ...shapes), said));
}

// The figures of this run beside those that were pinned.
function factRows(run) {
  const columns = [["now", run], ...Object.entries(run.pins)];
  const top = columns.map(([name, { label: words }]) =>
    element("th", { scope: "col" }, columns.length > 1 ? `${name}: ` : "", element("span", {}, words)));
  const rows = run.facts.map(([what], index) => element(
    "tr", {}, element("th", { scope: "row" }, what),
    ...columns.map(([, { facts }]) => element("td", {}, facts[index][1])),
  ));
  return [element("thead", {}, element("tr", {}, element("td", {}), ...top)), element("tbody", {}, ...rows)];
}

function momentsOf(run) {
  const times = run.records.flatMap((life) => [...life.visible, ...(life.ended === null ? [] : [life.ended])]);
  for (const attempt of run.attempts) times.push(attempt.start, attempt.end);
  return [...new Set(times)].sort((a, b) => a - b);
}

function makeParts() {
  const parts = {
    head: element("div", { class: "labkit-virtual-head" }),
    knobs: element("div", { class: "labkit-virtual-knobs" }),
    error: element("p", { class: "labkit-virtual-error", role: "alert" }),
    story: element("p", { class: `labkit-virtual-headline ${look("story")}`, "aria-live": "polite" }),
    scrub: element("input", {
      type: "range", min: 0, max: 1000, class: look("scrub"), ...OWN_KEYS,
      "aria-label": "time: drag back to see what had happened until then",
    }),
    time: element("div", { class: look("time") }),
    counts: element("p", { class: look("counts") }),
    stage: element("div", { class: "labkit-virtual-stage" }),
    svg: element("svg", { role: "group", class: "labkit-virtual-picture" }),
    legend: element("div", { class: "labkit-virtual-legend" }),
    facts: element("table", { class: look("facts") }),
    heal: button("Heal all", "Heal all"), reset: button("Reset to the first setting", "Reset"),
    foot: element("div", { class: look("foot") }),
    hint: element("p", { class: "labkit-virtual-hint" }),
  };
  for (const name of ["drawn", "future", "records", "grips"]) {
    parts[name] = element("g", ["drawn", "future"].includes(name) ? { "aria-hidden": "true" } : {});
    parts.svg.append(parts[name]);
  }
  parts.stage.append(parts.svg);
  return parts;
}

// ---------------------------------------------------------------- the widget

function render({ model, el }) {
  const run = () => model.get("_picture");
  const root = makeRoot(model, el, "batching", run().title);
  const parts = makeParts(), { svg, stage } = parts;
  const words = WORDS[run().source], names = run().knobs.map((about) => about.name);
  const aboutOf = (name) => run().knobs.find((about) => about.name === name);
  // What this view alone knows: where its knobs stand, which record has the focus, what is dragged.
  const chosen = { ...run().settings };
  let [turned, asked, focused, dragging, scale] = [{ name: "", at: 0 }, 0, run().order[0], null, null];

  const asker = makeAsker(model, (state) => {
    root.dataset.state = state;
    for (const knob of Object.values(knobs)) knob.disable(state === "gone");
    if (state === "gone") paintWords();
  });
  const player = makePlayer({ moments: () => momentsOf(run()), limit: () => run().end_ms, onMove: paintTime });
  const pins = makePins(asker);
  const tip = makeTip(root);
  const knobs = Object.fromEntries(
    run().knobs.map((about) => [about.name, makeKnob(about, (value) => change(about.name, value))]));

  // ---- what the learner changes

  // Moves of one knob that follow each other closely are one change: its ghost is from before it.
  function change(name, value) {
    if (asker.isGone() || same(chosen[name], value)) return;
    const now = performance.now();
    const isNew = name === "poisoned" || name !== turned.name || now - turned.at > DRAG_MS;
    [turned, asked] = [{ name, at: now }, asked || now];
    chosen[name] = value;
    knobs[name]?.show(value);
    asker.ask({ [name]: value }, isNew);
  }
  function toggle(record) {
    const others = chosen.poisoned.filter((each) => each !== record);
    const isPoisoned = others.length < chosen.poisoned.length;
    change("poisoned", isPoisoned ? others : [...others, record].sort((a, b) => a - b));
    paintRecords();
  }

  // ---- painting

  function spanOf() {
    const ends = [run().end_ms, run().ghost ? Math.min(run().ghost.end_ms, run().end_ms * 3) : 0, SPAN_MIN_MS];
    return Math.ceil((Math.max(...ends) * 1.02) / SPAN_STEP_MS) * SPAN_STEP_MS;
  }
  function paint() {
    const width = Math.max(stage.clientWidth, 280), { attempts, records } = run();
    scale = makeScale(run(), width, dragging?.span ?? spanOf());
    svg.setAttribute("width", width);
    svg.setAttribute("height", scale.height);
    parts.drawn.replaceChildren(
      ...drawAxis(scale, run().source),
      ...scale.lanes.flatMap((lane) => drawLane(scale, lane, run())),
      ...attempts.flatMap((attempt) => drawGathering(scale, attempt)),
      ...(run().ghost ? drawGhost(scale, run().ghost) : []),
      ...records.flatMap((life) => drawRow(scale, life, run())),
      ...attempts.map((attempt) => drawBatch(scale, attempt)),
      ...records.flatMap((life) => drawEnd(scale, life, run())),
    );
    paintRecords();
    paintGrips();
    paintWords();
    player.show();
    const count = (...ends) => records.filter((life) => ends.includes(life.end)).length;
    Object.assign(root.dataset, {
      invocations: attempts.length, failures: attempts.filter((attempt) => attempt.failed.length).length,
      done: count("done"), given: count("dead_letter", "discarded"), ghost: Boolean(run().ghost),
      rev: Number(root.dataset.rev) + 1,
    });
  }

  // The records at the left, and their rows, which are what one clicks.
  function paintRecords() {
    const nodes = scale.rows.map((life) => {
      const top = scale.y(life.number), middle = top + scale.row / 2, isPoisoned = chosen.poisoned.includes(life.number);
      const height = Math.min(scale.row - 2, 14);
      const node = element(
        "g", {
          class: `${look("record")}${isPoisoned ? " is-poisoned" : ""}`, role: "checkbox", "aria-checked": isPoisoned,
          tabindex: life.number === focused ? 0 : -1, "data-record": life.number, ...OWN_KEYS,
          "aria-label": `poison ${words.record} ${life.number}; ${tell(run(), life).map((fact) => fact.join(" ")).join("; ")}`,
        },
        box(0, top, scale.width, scale.row, "hit"),
        box(16, middle - height / 2, 26, height, "chip", 3),
        label(29, middle + 3.5, life.number, "middle", "name"),
      );
      if (isPoisoned) node.append(shape(MARKS.failed, "mark", 8, middle + 0.5));
      if (run().source === "kinesis") node.append(label(50, middle + 4, life.key, "middle", "key"));
      return node;
    });
    const hadFocus = parts.records.contains(document.activeElement);
    parts.records.replaceChildren(...nodes);
    if (hadFocus) focusOn(focused);
  }
  function focusOn(record) {
    focused = record;
    for (const node of parts.records.children) node.setAttribute("tabindex", Number(node.dataset.record) === record ? 0 : -1);
    parts.records.querySelector(`[data-record="${record}"]`).focus({ preventScroll: true });
  }

  // What is drawn but has not happened yet where the head stands.
  function paintTime() {
    if (!scale) return;
    const head = player.head(), time = Math.min(player.at(), run().end_ms), x = scale.x(time);
    parts.future.replaceChildren();
    if (head !== null) {
      parts.future.append(
        box(x, TOP + HEAD - 4, scale.width - x, scale.floor - TOP - HEAD + 3, "future"),
        stroke(x, TOP + HEAD - 4, x, scale.floor + 2, "playhead"), shape("M-6 0H6L0-7Z", "thumb", x, scale.floor + 9),
      );
    }
    parts.scrub.value = Math.round((1000 * time) / run().end_ms);
    const said = `${head === null ? "at the end" : `at ${seconds(time)}`}: ${spokenCounts(run(), time)}`;
    parts.scrub.setAttribute("aria-valuetext", said);
    parts.counts.textContent = said;
    Object.assign(root.dataset, { head: head === null ? "end" : Math.round(head), playing: player.isPlaying() });
  }

  function paintWords() {
    const isGone = asker.isGone();
    parts.head.replaceChildren(element("b", {}, run().title), ...run().fixed.map((said) => element("span", {}, said)));
    parts.error.textContent = run().error;
    parts.story.textContent = run().story;
    parts.legend.replaceChildren(...legendItems(run()));
    parts.facts.replaceChildren(...factRows(run()));
    pins.show(run().pins, "", isGone);
    parts.heal.disabled = isGone || chosen.poisoned.length === 0;
    parts.reset.disabled = isGone || same(run().settings, run().initial);
    svg.setAttribute("aria-label", `${plural(run().records.length, words.record)} on a time axis. ${run().story}`);
    parts.hint.textContent = isGone
      ? "No kernel: run the notebook's cells again to turn the knobs. Time still plays."
      : `Click a ${words.record} to poison it, so that the function fails on it, and again to heal it. `
        + "By keyboard: arrows choose, space poisons, comma and full stop step through time.";
  }

  // ---- grips: a knob where its effect is

  function paintGrips() {
    const had = document.activeElement?.dataset?.grip;
    const first = run().attempts.find((attempt) => attempt.lane === 0), makers = { batch_size: sizeGrip, batching_window_s: windowGrip };
    parts.grips.replaceChildren(
      ...Object.keys(makers).filter((name) => first && names.includes(name)).map((name) => makers[name](first)));
    if (had) parts.grips.querySelector(`[data-grip="${had}"]`)?.focus({ preventScroll: true });
  }
  function grip(name, ...nodes) {
    const about = aboutOf(name), said = `${number(chosen[name])} ${about.unit}`;
    return element("g", {
      class: look("grip"), "data-grip": name, tabindex: 0, role: "slider", ...OWN_KEYS,
      "aria-label": `${about.label} in ${about.unit}, in the picture`, "aria-valuemin": about.low,
      "aria-valuemax": about.high, "aria-valuenow": chosen[name], "aria-valuetext": said,
    }, ...nodes);
  }
  // A bracket as high as the batch may become, left of the first rows.
  function sizeGrip() {
    const { first: top, bottom: floor } = scale.lanes[0], x = scale.left - 8;
    const bottom = Math.min(top + chosen.batch_size * scale.row, floor);
    return grip(
      "batch_size", box(x - 6, top, 14, bottom - top + 8, "hit"),
      shape(`M4 .5H0V${bottom - top - 0.5}H4`, "bracket", x, top),
      element("circle", { cx: x, cy: bottom, r: 5, class: look("ball") }),
      label(x + 9, bottom + 4, `batch size ${number(chosen.batch_size)}`, "start", "label"),
    );
  }
  // A bracket as wide as the window, above the first batch.
  function windowGrip(first) {
    const x = scale.x(first.opened), y = scale.lanes[0].first - 6;
    const end = Math.min(scale.x(first.opened + chosen.batching_window_s * 1000), scale.right);
    return grip(
      "batching_window_s", box(x - 4, y - 9, end - x + 16, 16, "hit"), shape(`M0 4V0H${end - x}V4`, "bracket", x, y),
      element("circle", { cx: end, cy: y, r: 5, class: look("ball") }),
      label(end + 9, y + 3, `window ${number(chosen.batching_window_s)} s`, "start", "label is-seen"),
    );
  }
  function dragGrip({ clientX, clientY }) {
    const frame = svg.getBoundingClientRect(), { name, opened } = dragging, { low, stops } = aboutOf(name);
    const value = name === "batch_size"
      ? (clientY - frame.top - scale.lanes[0].first) / scale.row
      : (scale.time(clientX - frame.left) - opened) / 1000;
    change(name, clamp(Math.round(value), low, stops.at(-1)));
    paintGrips();
  }
  const timeAt = (event) => scale.time(event.clientX - svg.getBoundingClientRect().left);
  makeDrag(svg, {
    down(event) {
      const name = event.target.closest("[data-grip]")?.dataset.grip;
      const isAxis = event.clientY - svg.getBoundingClientRect().top > scale.floor;
      if ((!name || asker.isGone()) && !isAxis) return false;
      const first = run().attempts.find((attempt) => attempt.lane === 0);
      dragging = { name, opened: first?.opened, span: scale.span };
      tip.hide();
      turned = { name: "", at: 0 };
      if (name) event.target.closest("[data-grip]").focus({ preventScroll: true });
      else player.set(timeAt(event));
      return true;
    },
    move: (event) => (dragging.name ? dragGrip(event) : player.set(timeAt(event))),
    up() { dragging = null; paint(); },
  });
  parts.grips.addEventListener("keydown", (event) => {
    const { grip: name } = event.target.dataset, step = STEPS[event.key];
    if (!name || !step) return;
    event.preventDefault();
    const { low, high } = aboutOf(name);
    // The bracket of the batch size grows downwards.
    const isDown = name === "batch_size" && event.key.endsWith("Down"), isUp = name === "batch_size" && event.key.endsWith("Up");
    change(name, clamp(chosen[name] + (isDown || isUp ? -step : step), low, high));
    paintGrips();
  });

  // ---- pointer and keys

  function hover(event) {
    const life = scale.at(event.clientY - svg.getBoundingClientRect().top);
    for (const node of parts.records.children) node.classList.toggle("is-over", Number(node.dataset.record) === life?.number);
    if (!life || dragging) { tip.hide(); return; }
    const verb = chosen.poisoned.includes(life.number) ? "heals" : "poisons";
    tip.show(event, `${words.record} ${life.number}`, [...tell(run(), life), ["click", `${verb} it`]]);
  }
  svg.addEventListener("pointermove", hover);
  svg.addEventListener("pointerleave", () => {
    tip.hide();
    for (const node of parts.records.children) node.classList.remove("is-over");
  });
  parts.records.addEventListener("click", (event) => {
    const node = event.target.closest("[data-record]");
    if (!node) return;
    focusOn(Number(node.dataset.record));
    toggle(focused);
  });
  parts.records.addEventListener("keydown", (event) => {
    const place = scale.rows.findIndex((life) => life.number === Number(event.target.dataset.record));
    const places = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: scale.rows.length - 1 };
    if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in places) focusOn(scale.rows[clamp(places[event.key], 0, scale.rows.length - 1)].number);
    else if (event.key === " " || event.key === "Enter") toggle(focused);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener("keydown", (event) => {
    if (![",", "."].includes(event.key) || event.target.type === "number") return;
    event.preventDefault();
    player.keys[event.key]();
  });
  parts.scrub.addEventListener("input", () => player.set((parts.scrub.value / 1000) * run().end_ms));
  parts.heal.addEventListener("click", () => { change("poisoned", []); paintRecords(); });
  parts.reset.addEventListener("click", () => {
    Object.assign(chosen, run().initial);
    turned = { name: "", at: 0 };
    player.set(null);
    asker.ask({ ...run().initial }, true);
  });

  // ---- what comes from outside

  function changed() {
    const isNewest = asker.answered(run());
    if (isNewest) {
      Object.assign(chosen, run().settings);
      for (const [name, knob] of Object.entries(knobs)) knob.show(chosen[name]);
      if (asked) root.dataset.answerMs = (performance.now() - asked).toFixed(1);
    }
    paint();
    if (isNewest) asked = 0;
  }
  parts.knobs.append(...Object.values(knobs).map((knob) => knob.node));
  parts.time.append(player.bar, parts.scrub);
  parts.foot.append(pins.node, parts.heal, parts.reset);
  const { head, knobs: knobBar, error, story, time, counts, legend, facts, foot, hint } = parts;
  root.append(head, knobBar, error, story, time, counts, stage, legend, facts, foot, hint);
  for (const [name, knob] of Object.entries(knobs)) knob.show(chosen[name]);
  root.dataset.state = "ready";
  model.on("change:_picture", changed);
  const forget = whenKernelIsGone(model, asker.gone);
  const sizes = new ResizeObserver(() => Math.max(stage.clientWidth, 280) !== scale?.width && paint());
  paint();
  sizes.observe(stage);
  return () => {
    player.pause();
    asker.end();
    sizes.disconnect();
    forget();
    model.off("change:_picture", changed);
  };
}

export default { render };
