// Concurrency as lanes: each execution environment is a lane, requests run in them, and what finds no
// lane under the ceiling falls off. The ceiling is a line to drag; the kernel answers with a new run.

const LEFT = 10, RIGHT = 104, AXIS_HEIGHT = 34, ROOF = 46;
const LANE_MIN = 11, LANE_MAX = 24, LANES_HEIGHT = 230;
const SETTINGS = {
  reserved_concurrency: { label: "Reserved concurrency", unit: "" },
  provisioned_concurrency: { label: "Provisioned concurrency", unit: "" },
  account_concurrency: { label: "Account concurrency", unit: "" },
  neighbour_concurrency: { label: "Other functions busy", unit: "environments" },
  rate_per_s: { label: "Arrivals before the burst", unit: "per s" },
};
const FALL_MS = 420;                // real time in which a request falls into its lane

const range = (low, high) => Array.from({ length: high - low + 1 }, (_, index) => low + index);

function render({ model, el }) {
  const isLive = model.get("_is_live");
  const root = makeRoot(model, el, "lanes", "concurrency lanes");
  const tip = makeTip(root);
  const said = element("div", { class: "labkit-virtual-spoken", "aria-live": "polite" });
  const asker = makeAsker(model, (state) => { root.dataset.state = state; paintWords(); });
  const knows = (knob) => model.get("knobs").includes(knob);
  const picture = () => model.get("_picture");
  let mine = null;                  // what the hand has set and the kernel has not yet answered
  let [chosen, width, x, y, laneHeight, rate] = [-1, 0, null, null, 0, 1];
  const settings = () => ({ ...picture().settings, ...(mine ?? {}) });

  const player = makePlayer({
    limit: () => picture().length_ms,
    moments: () => [...new Set([...picture().bars.map((bar) => bar[1]), ...picture().throttles.map(([time]) => time)])].sort((a, b) => a - b),
    onMove: () => { if (x) paintHead(); },
  });

  // ---- controls

  const head = element("div", { class: "labkit-virtual-head" });
  const headline = element("p", { class: "labkit-virtual-headline" });
  const error = element("p", { class: "labkit-virtual-error", role: "alert" });
  const svg = element("svg", { class: "labkit-virtual-picture" });
  const defs = element("defs"), drawn = element("g", { tabindex: 0, role: "application", class: "labkit-lanes-drawn" });
  const handles = element("g"), over = element("g");
  svg.append(defs, drawn, over, handles);
  const stage = element("div", { class: "labkit-virtual-stage" }, svg);
  const legend = element("div", { class: "labkit-virtual-legend" });
  const record = makeRecord(() => { chosen = -1; paint(); });
  const pins = makePins(asker);
  const [low, high] = [(knob) => picture().ranges[knob][0], (knob) => picture().ranges[knob][1]];
  const numbers = {};
  const knobs = element("div", { class: "labkit-virtual-knobs" });
  for (const [knob, { label, unit }] of isLive ? [] : Object.entries(SETTINGS).filter(([name]) => knows(name))) {
    const parts = [];
    if (knob === "reserved_concurrency") {
      const none = element("input", { type: "checkbox", ...OWN_KEYS });
      none.addEventListener("change", () => change({ reserved_concurrency: none.checked ? Math.min(picture().ceiling, high(knob)) : null }));
      parts.push(element("label", { class: "labkit-lanes-none" }, none, "reserve"));
      numbers.none = none;
    }
    const step = knob === "rate_per_s" ? 0.2 : 1;
    const stops = range(0, Math.round((high(knob) - low(knob)) / step)).map((count) => Number((low(knob) + count * step).toFixed(1)));
    numbers[knob] = makeNumber({ label, unit, low: low(knob), high: high(knob), step, stops },
      (value) => change({ [knob]: value }));
    knobs.append(labelled(label, ...parts, numbers[knob].node));
  }
  const hint = element("p", { class: "labkit-virtual-hint" }, isLive
    ? "From the lab's events, in lab time."
    : `${knows("reserved_concurrency") ? "Drag the ceiling: the" : "The"} same requests arrive whatever you set. `
      + "Virtual time, by the rules that run live.");
  // The words below the picture: however long they are, the picture stays under the hand.
  root.append(head, knobs, stage, headline, error, legend,
    element("div", { class: "labkit-virtual-knobs" }, player.bar), record.node, ...(isLive ? [] : [pins.node]), hint, said);

  const key = Math.random().toString(36).slice(2);
  const ids = { init: `labkit-init-${key}`, others: `labkit-others-${key}` };
  defs.append(
    hatch(ids.init, "var(--init)", "rgb(0 0 0 / 0.5)", 0.8),
    hatch(ids.others, "color-mix(in srgb, var(--dim) 10%, var(--back))", "color-mix(in srgb, var(--dim) 35%, var(--back))", 0.6),
  );

  function change(values, begins = true) {
    if (asker.isGone() || isLive) return;
    mine = { ...(mine ?? {}), ...values };
    asker.ask(values, begins);
    paintSettings();
  }

  // ---- the picture

  const slots = () => picture().slots;
  const floor = () => ROOF + slots() * laneHeight;
  const top = (lane) => floor() - (lane + 1) * laneHeight;
  // Where the ceiling stands: at once where the hand has put it, otherwise where the kernel says.
  function ceiling() {
    if (mine && "reserved_concurrency" in mine && mine.reserved_concurrency !== null) return mine.reserved_concurrency;
    return picture().ceiling;
  }

  function backdrop() {
    const nodes = [], length = picture().length_ms, bottom = floor();
    const ticks = timeTicks(length, Math.max(Math.floor((width - LEFT - RIGHT) / 60), 2));
    nodes.push(rect(0, 0, width, bottom, "hit"));
    range(0, slots()).forEach((lane) => nodes.push(line(LEFT, bottom - lane * laneHeight, width - RIGHT, bottom - lane * laneHeight, "grid")));
    ticks.forEach((time, index) => {
      nodes.push(line(x(time), bottom, x(time), bottom + 4, "axis"));
      nodes.push(text(x(time), bottom + 16, spoken(time), index ? "middle" : "start"));
    });
    nodes.push(line(LEFT, bottom, width - RIGHT, bottom, "axis"), text(width - RIGHT, bottom + 31, "time", "end"));
    const provisioned = settings().provisioned_concurrency;
    if (provisioned > 0) {
      const edge = bottom - provisioned * laneHeight;
      nodes.push(rect(LEFT, edge, width - LEFT - RIGHT, provisioned * laneHeight, "ready"));
    }
    const { account_concurrency: account, neighbour_concurrency: others } = settings();
    if (others > 0 && account <= slots()) {
      nodes.push(rect(LEFT, top(account - 1), width - LEFT - RIGHT, others * laneHeight, "others", { style: `fill: url(#${ids.others})` }),
        text(LEFT + 6, top(account - 1) + others * laneHeight / 2 + 4, `other functions: ${others} busy`, "start", "label"));
    }
    if (account <= slots() && picture().ceiling !== account) {
      nodes.push(line(LEFT, top(account - 1), width - RIGHT, top(account - 1), "account"),
        text(width - RIGHT + 12, top(account - 1) + 4, `account ${account}`));
    }
    return nodes;
  }

  function bars() {
    return picture().bars.map(([lane, start, end, kind, told], index) => {
      const from = x(start), to = x(end), inset = Math.max(1.5, laneHeight * 0.12);
      const isWork = kind === "init" || kind === "invoke";
      const height = isWork ? laneHeight - 2 * inset : laneHeight * 0.28;
      const edge = isWork ? top(lane) + inset : top(lane) + laneHeight * 0.36;
      const node = rect(from, edge, isWork ? Math.max(to - from, 2) : to - from, height, `bar is-${kind}`,
        kind === "init" ? { style: `fill: url(#${ids.init})` } : {});
      const found = picture().records[told];
      if (found.is_error) {
        const group = element("g", {}, node, element("g", { transform: `translate(${(from + to) / 2} ${top(lane) + laneHeight / 2}) scale(.7)` }, mark("error", 0, 0)));
        return touchable(group, index, found);
      }
      return isWork ? touchable(node, index, found) : node;
    });
  }

  function touchable(node, index, found) {
    node.classList.add("is-touchable");
    if (index === chosen) node.classList.add("is-chosen");
    node.addEventListener("pointermove", (event) => { if (!held) tip.show(event, found.title, found.facts); });
    node.addEventListener("pointerleave", () => tip.hide());
    node.addEventListener("click", () => open(index));
    return node;
  }

  // Throttles lie on the ceiling like hail on a roof: where they are dense, in heaps.
  function hail() {
    const roof = top(ceiling() - 1), heap = [], highest = Math.max(Math.floor((roof - 22) / 9), 0);
    return picture().throttles.map(([time, told], index) => {
      const at = x(time);
      let level = 0;
      while (level < highest && heap[level] !== undefined && at - heap[level] < 9) level++;
      heap[level] = at;
      const height = roof - 8 - level * 9;
      const group = element("g", { class: "labkit-lanes-throttle" }, mark("throttled", at, height), rect(at - 5, height - 4.5, 10, 9, "hit"));
      group.firstChild.setAttribute("transform", `translate(${at} ${height}) scale(.8)`);
      return touchable(group, picture().bars.length + index, picture().records[told]);
    });
  }

  function ghosts() {
    const olds = [["before", picture().before], ...Object.entries(picture().pins)]
      .filter(([, old]) => old && old.ceiling <= slots() && old.ceiling !== ceiling());
    return [...new Set(olds.map(([, old]) => old.ceiling))].flatMap((height) => {
      const here = olds.filter(([, old]) => old.ceiling === height), edge = top(height - 1);
      const words = here.map(([name, old]) => `${name}: ${old.fell} ✕`).join(" · ");
      const isLow = height === settings().provisioned_concurrency;
      return [line(LEFT, edge, width - RIGHT, edge, "ghost"),
        text(width - RIGHT + 12, edge + (isLow ? -2 : 4), words.length > 14 ? here.map(([name]) => name).join(", ") : words)];
    });
  }

  function paintPicture() {
    svg.setAttribute("width", width);
    svg.setAttribute("height", floor() + AXIS_HEIGHT);
    drawn.replaceChildren(...backdrop(), ...ghosts(), ...bars(), ...hail());
    drawn.setAttribute("aria-label", `${picture().headline} Arrow keys go from request to request, Enter opens the record, space plays.`);
  }

  // ---- what can be dragged: the ceiling, the edge of the provisioned band, the playhead

  function paintHandles() {
    const focused = document.activeElement?.dataset?.handle;
    handles.replaceChildren(...provisionedEdge(), ...ceilingLine());
    if (focused) handles.querySelector(`[data-handle="${focused}"]`)?.focus({ preventScroll: true });
  }

  function slider(name, knob, label, edge, look, words, above) {
    const value = settings()[knob], isKnob = knows(knob) && !isLive;
    // Beside the lanes, and on two sides of the line: the two may lie upon each other.
    const said = text(width - RIGHT + 12, above ? edge - 2 : edge + 12, words, "start", "label");
    const nodes = [line(LEFT, edge, width - RIGHT + 8, edge, look), said];
    if (!isKnob) return nodes;
    const group = element("g", {
      tabindex: 0, role: "slider", "data-handle": name, class: `labkit-virtual-handle is-${name}`, ...OWN_KEYS,
      "aria-label": label, "aria-orientation": "vertical", "aria-valuemin": low(knob), "aria-valuemax": high(knob),
      "aria-valuenow": value ?? picture().ceiling, "aria-valuetext": words,
    }, ...nodes, rect(width - RIGHT - 2, edge - 6, 8, 12, "knob", { rx: 3 }),
    rect(LEFT, edge - (above ? 3 : 1), width - RIGHT - LEFT, 8, "grip"),
    rect(width - RIGHT - 8, edge - (above ? 14 : 0), RIGHT + 4, 15, "grip"));
    group.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step) return;
      event.preventDefault();
      set(knob, (settings()[knob] ?? picture().ceiling) + step, true);
    });
    return [group];
  }

  // Above the account's concurrency there is nothing to reserve: the reservation is gone.
  function set(knob, value, begins) {
    const next = knob === "reserved_concurrency" && value > high(knob) ? null : clamp(value, low(knob), high(knob));
    if (next !== settings()[knob]) change({ [knob]: next }, begins);
    return next !== settings()[knob];
  }

  function ceilingLine() {
    const isReserved = settings().reserved_concurrency !== null;
    const words = isReserved ? `reserved ${settings().reserved_concurrency}` : `unreserved ${ceiling()}`;
    return slider("ceiling", "reserved_concurrency", "Reserved concurrency, the ceiling in the picture", top(ceiling() - 1),
      isReserved ? "limit" : "limit is-out", words, true);
  }

  function provisionedEdge() {
    const count = settings().provisioned_concurrency;
    if (count === 0 && !knows("provisioned_concurrency")) return [];
    return slider("provisioned", "provisioned_concurrency", "Provisioned concurrency, the edge of the pale band",
      floor() - count * laneHeight, "firm", `provisioned ${count}`, false);
  }

  let held = null;
  makeDrag(svg, {
    down(event) {
      const handle = event.target.closest("[data-handle]")?.dataset.handle;
      const box = svg.getBoundingClientRect();
      if (handle && !asker.isGone()) {
        handles.querySelector(`[data-handle="${handle}"]`)?.focus({ preventScroll: true });
        held = { knob: handle === "ceiling" ? "reserved_concurrency" : "provisioned_concurrency", first: true };
      } else if (event.clientY - box.top > floor()) {
        held = { knob: null };
        player.set(x.time(event.clientX - box.left));
      } else return false;
      tip.hide();
      return true;
    },
    move(event) {
      const box = svg.getBoundingClientRect();
      if (!held.knob) {
        player.set(x.time(event.clientX - box.left));
        return;
      }
      const before = settings()[held.knob];
      const lanes = Math.round((floor() - (event.clientY - box.top)) / laneHeight);
      set(held.knob, lanes, held.first);
      if (settings()[held.knob] !== before) held.first = false;
    },
    up() {
      held = null;
      paint();
    },
  });

  // ---- playing: requests fall into their lanes, and bounce off the ceiling

  function drops(now) {
    const fall = Math.min(FALL_MS * player.rate(), picture().length_ms * 0.06), roof = top(ceiling() - 1);
    const drop = (time, bottom, isThrottled) => {
      const part = (now - time) / fall;
      if (part < -1 || part > 1 || (part > 0 && !isThrottled)) return [];
      const fallen = part <= 0 ? 8 + (bottom - 8) * (1 + part) ** 2 : bottom - 26 * part * (1 - part) * 2;
      return [element("circle", { cx: x(time) + (part > 0 ? 24 * part : 0), cy: fallen, r: 4, class: isThrottled ? "labkit-lanes-drop is-thrown" : "labkit-lanes-drop",
        opacity: part > 0 ? 1 - part : 1 })];
    };
    const begun = new Set();
    const arrived = picture().bars.filter(([lane, , , kind, , isFirst]) => isFirst && (kind === "init" || kind === "invoke"));
    return [
      ...arrived.flatMap(([lane, start]) => drop(start, top(lane) + laneHeight / 2, false)),
      ...picture().throttles.flatMap(([time]) => drop(time, roof - 5, true)),
    ].slice(0, 150);
  }

  function paintHead() {
    const now = player.head(), bottom = floor(), area = rect(0, bottom + 1, width, AXIS_HEIGHT - 1, "scrub");
    if (now === null) over.replaceChildren(area);
    else {
      const at = x(now);
      const busy = picture().bars.filter(([, start, end, kind]) => (kind === "init" || kind === "invoke") && start <= now && now < end).length;
      const lost = picture().throttles.filter(([time]) => time <= now).length;
      const isLeft = at > width - 190;
      over.replaceChildren(
        rect(at, ROOF - 44, width - RIGHT - at, bottom - ROOF + 43, "unseen"), area,
        line(at, 14, at, bottom, "head"), element("path", { d: `M${at - 5} ${bottom + 1}h10l-5-7z`, class: "labkit-virtual-head-mark" }),
        text(at + (isLeft ? -6 : 6), 12, `${busy} busy · ${lost} throttled so far`, isLeft ? "end" : "start", "label"),
        ...(player.isPlaying() && !player.isStill() ? drops(now) : []));
    }
    root.dataset.head = now === null ? "end" : Math.round(now);
    root.dataset.playing = player.isPlaying();
  }

  // ---- records and keys

  const told = (index) => picture().records[index < picture().bars.length
    ? picture().bars[index][4] : picture().throttles[index - picture().bars.length]?.[1]];
  // Requests by the time at which they came, whether they ran or fell off.
  const inOrder = () => [
    ...picture().bars.flatMap(([, start, , kind], index) => (kind === "init" || kind === "invoke" ? [[start, index]] : [])),
    ...picture().throttles.map(([time], index) => [time, picture().bars.length + index]),
  ].sort((a, b) => a[0] - b[0]).map(([, index]) => index);
  function open(index) {
    chosen = index;
    const found = told(index);
    if (found) record.open(found.title, found.facts);
    paint();
  }
  function choose(step) {
    const order = inOrder();
    if (!order.length) return;
    chosen = order[clamp(order.indexOf(chosen) + step, 0, order.length - 1)];
    const { title, facts } = told(chosen);
    said.textContent = `${title}; ${facts.map(([term, words]) => `${term} ${words}`).join("; ")}`;
    paint();
  }
  drawn.addEventListener("keydown", (event) => {
    const keys = {
      ...player.keys, ArrowRight: () => choose(1), ArrowLeft: () => choose(-1),
      Enter: () => { if (chosen >= 0) open(chosen); }, Escape: record.close,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // ---- words

  function paintWords() {
    const now = settings(), isShown = (knob) => !knows(knob) && (knob !== "neighbour_concurrency" || now[knob] > 0)
      && (knob !== "provisioned_concurrency" || now[knob] > 0) && now[knob] !== undefined;
    const fixed = Object.entries(SETTINGS).filter(([knob]) => isShown(knob)).map(([knob, { label, unit }]) =>
      element("span", {}, `${label} ${now[knob] === null ? "none" : number(now[knob])}${unit ? ` ${unit}` : ""}${isLive ? "" : ", fixed"}`));
    head.replaceChildren(element("b", {}, "Concurrency lanes"), ...fixed, element("span", {}, picture().workload));
    headline.textContent = asker.isGone()
      ? `No kernel: run the notebook's cells again to turn anything. ${picture().headline}` : picture().headline;
    error.textContent = picture().error;
    for (const [knob, shown] of Object.entries(numbers)) {
      if (knob === "none") {
        shown.checked = now.reserved_concurrency !== null;
        shown.disabled = asker.isGone();
      } else {
        shown.show(now[knob] ?? picture().ceiling);
        shown.disable(asker.isGone());
      }
    }
    pins.show(picture().pins, picture().comparison, asker.isGone());
    const kinds = new Set(picture().bars.map((bar) => bar[3]));
    const icon24 = { width: 24, height: 16, viewBox: "-12 -8 24 16", "aria-hidden": "true" };
    const items = [
      [kinds.has("init"), rect(-10, -6, 20, 12, "bar is-init", { style: `fill: url(#${ids.init})` }), "init: cold start"],
      [kinds.has("invoke"), rect(-10, -6, 20, 12, "bar is-invoke"), "invoke"],
      [kinds.has("idle"), rect(-10, -2, 20, 5, "bar is-idle"), "idle environment"],
      [settings().provisioned_concurrency > 0, rect(-10, -6, 20, 12, "ready"), "provisioned: ready before it is needed"],
      [picture().throttles.length > 0, mark("throttled", 0, 0), "throttled: 429"],
    ];
    legend.replaceChildren(...items.filter(([isThere]) => isThere).map(([, shape, words]) =>
      element("span", {}, element("svg", icon24, shape), words)));
  }

  function paint() {
    width = Math.max(stage.clientWidth, 300);
    laneHeight = clamp(LANES_HEIGHT / slots(), LANE_MIN, LANE_MAX);
    const span = width - LEFT - RIGHT, length = picture().length_ms;
    x = (ms) => LEFT + (clamp(ms, 0, length) / length) * span;
    x.time = (px) => clamp(((px - LEFT) / span) * length, 0, length);
    paintPicture();
    player.show();
    paintSettings();
  }
  // What the hand turns is shown at once; who runs and who falls off follows with the answer.
  function paintSettings() {
    paintHandles();
    paintWords();
    Object.assign(root.dataset, {
      throttles: picture().throttles.length, ceiling: ceiling(), requests: inOrder().length, chosen,
      lanes: slots(), seq: picture().seq, busy: asker.isBusy(), rev: Number(root.dataset.rev) + 1,
    });
  }
  function changed() {
    if (asker.answered(picture())) mine = null;
    if (chosen >= picture().bars.length + picture().throttles.length) record.close();
    else if (!record.node.hidden && told(chosen)) record.open(told(chosen).title, told(chosen).facts);
    paint();
  }

  root.dataset.state = "ready";
  const sizes = new ResizeObserver(() => stage.clientWidth !== width && paint());
  const forget = whenKernelIsGone(model, asker.gone);
  model.on("change:_picture", changed);
  paint();
  sizes.observe(stage);
  root.labkit = { player, ceilingY: (count) => svg.getBoundingClientRect().top + top(count - 1) };
  return () => {
    player.pause();
    asker.end();
    sizes.disconnect();
    forget();
    model.off("change:_picture", changed);
  };
}

export default { render };
