// The life of one asynchronous event: how the function fares on top, the event below it, both on the
// axis of the event's age. The learner paints the upper strip; the kernel answers with a new life.

const HEALTHS = { healthy: "✓ healthy", broken: "▲ broken", throttled: "✕ throttled" };
const CYCLE = { healthy: "broken", broken: "throttled", throttled: "healthy" };
const HORIZONS = [[5, "5 min"], [20, "20 min"], [60, "1 h"], [390, "6½ h"]].map(([minutes, words]) => [minutes * 60000, words]);
const AGE_S = [60, 21600];
const AGE_STOPS = [60, 90, 120, 180, 240, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];
const LEFT = 10, RIGHT = 18, EDGE_GRIP = 7;
const STRIP = { top: 18, height: 26 };
const LANE_TOP = 120, LIVE_TOP = 52;        // without the strip the event is at the top
const PIN_HEIGHT = 22, AXIS_HEIGHT = 36;
const ATTEMPT_MIN = 4;                      // px: an attempt is to be seen however short it was

// What is painted over a plan, as the kernel will do it: shown at once, decided there.
function painted(plan, health, from, to) {
  const at = (time) => plan.filter(([start]) => start <= time).at(-1)[1];
  const kept = plan.filter(([start]) => start < from || start > to);
  const spells = [...kept, [from, health], ...(to === Infinity ? [] : [[to, at(to)]])].sort((a, b) => a[0] - b[0]);
  return spells.filter(([, now], index) => index === 0 || spells[index - 1][1] !== now);
}

function render({ model, el }) {
  const isLive = model.get("_is_live");
  const root = makeRoot(model, el, "retries", "retry timeline of one asynchronous event");
  const tip = makeTip(root);
  const said = element("div", { class: "labkit-virtual-spoken", "aria-live": "polite" });
  const asker = makeAsker(model, (state) => { root.dataset.state = state; paintWords(); });
  const knows = (knob) => model.get("knobs").includes(knob);
  const picture = () => model.get("_picture");
  const LANE = { top: isLive ? LIVE_TOP : LANE_TOP, height: 24 };  // attempts; waits are less tall
  const BEFORE = { top: LANE.top + 54, height: 8 };  // the life before the last change, if there is one
  let mine = null;                     // what the hand has set and the kernel has not yet answered
  let [horizon, fixed, isDragging, chosen, brush, width, x] = [0, 0, false, -1, "healthy", 0, null];

  const settings = () => ({ ...picture().settings, ...(mine ?? {}) });
  const plan = () => mine?.health ?? picture().health;
  const lifeEnd = () => Math.max(picture().life.end_ms, picture().beyond?.start_ms ?? 0,
    ...picture().life.waits.map((wait) => wait.end_ms));
  const player = makePlayer({
    limit: () => Math.min(horizon, Math.max(lifeEnd() * 1.08, 20000)),
    moments: () => [...new Set([...picture().life.attempts.flatMap((a) => [a.start_ms, a.end_ms]), picture().life.end_ms])],
    onMove: () => { if (x) paintHead(); paintBrush(); },
  });

  // ---- controls

  const head = element("div", { class: "labkit-virtual-head" });
  const brushLabel = element("span", { class: "labkit-retries-brush" }, "paint");
  const brushes = makeChoice("paint the function", Object.entries(HEALTHS).map(([health, words]) => [health, words]), (health) => {
    brush = health;
    if (player.head() !== null) change({ health: painted(plan(), health, Math.round(player.head()) / 1000, Infinity) });
    paintBrush();
  });
  const attempts = makeChoice("MaximumRetryAttempts", [0, 1, 2].map((count) => [count, String(count)]),
    (count) => change({ maximum_retry_attempts: count }));
  const age = makeNumber({ label: "MaximumEventAgeInSeconds", unit: "s", low: AGE_S[0], high: AGE_S[1], stops: AGE_STOPS },
    (value) => change({ maximum_event_age_s: value }));
  const horizons = makeChoice("length of the time axis", [[0, "fit"], ...HORIZONS], (value) => { fixed = value; paint(); });
  const pins = makePins(asker);
  const record = makeRecord(() => { chosen = -1; paint(); });
  const knobs = element("div", { class: "labkit-virtual-knobs" });
  if (!isLive) {
    if (knows("maximum_retry_attempts")) knobs.append(labelled("MaximumRetryAttempts", attempts.node));
    if (knows("maximum_event_age_s")) knobs.append(labelled("MaximumEventAgeInSeconds", age.node));
    knobs.append(element("span", { class: "labkit-virtual-knob" }, brushLabel, brushes.node));
  }
  const headline = element("p", { class: "labkit-virtual-headline" });
  const svg = element("svg", { class: "labkit-virtual-picture" });
  const drawn = element("g", { tabindex: 0, role: "application", class: "labkit-retries-life" });
  const strips = element("g"), handles = element("g"), flags = element("g", { class: "labkit-retries-flag" }), over = element("g"), defs = element("defs");
  svg.append(defs, drawn, strips, handles, flags, over);
  const stage = element("div", { class: "labkit-virtual-stage" }, svg);
  const legend = element("div", { class: "labkit-virtual-legend" });
  const error = element("p", { class: "labkit-virtual-error", role: "alert" });
  const below = element("div", { class: "labkit-virtual-knobs" }, player.bar, labelled("axis", horizons.node));
  const hint = element("p", { class: "labkit-virtual-hint" }, isLive
    ? "From the lab's events, in lab time."
    : "Drag over the strip to paint it, drag an edge to move it, or play and change the function while time passes. "
      + "Virtual time, by the rules that run live.");
  // The words below the picture: however long they are, the picture stays under the hand.
  root.append(head, knobs, stage, headline, error, legend, below, record.node, ...(isLive ? [] : [pins.node]), hint, said);

  const ids = Object.fromEntries(["broken", "throttled", "beyond"].map((name) => [name, `labkit-${name}-${Math.random().toString(36).slice(2)}`]));
  defs.append(
    hatch(ids.broken, "color-mix(in srgb, var(--error) 45%, var(--back))", "color-mix(in srgb, var(--error) 70%, var(--back))"),
    hatch(ids.throttled, "color-mix(in srgb, var(--throttled) 30%, var(--back))", "color-mix(in srgb, var(--throttled) 55%, var(--back))"),
    hatch(ids.beyond, "transparent", "color-mix(in srgb, var(--throttled) 40%, transparent)", 0.5),
  );

  // ---- changes

  function change(values, begins = true) {
    if (asker.isGone() || isLive) return;
    mine = { ...(mine ?? {}), ...values };
    asker.ask(values, begins);
    paintSettings();
  }

  // ---- the picture

  const pinNames = () => Object.keys(picture().pins);
  const floor = () => (picture().before || pinNames().length ? BEFORE.top + (picture().before ? 22 : 0) : BEFORE.top)
    + pinNames().length * PIN_HEIGHT + 4;
  const scale = () => {
    const span = width - LEFT - RIGHT;
    const place = (ms) => LEFT + (Math.min(ms, horizon * 1.2) / horizon) * span;
    place.time = (px) => clamp(((px - LEFT) / span) * horizon, 0, horizon);
    return place;
  };

  const tickWords = (time, index, y) => {
    const isLast = x(time) + 3.2 * spoken(time).length > width - 2;
    return text(isLast ? width - 2 : x(time), y, spoken(time), isLast ? "end" : index ? "middle" : "start");
  };

  function axis() {
    const ticks = timeTicks(horizon, Math.max(Math.floor((width - LEFT - RIGHT) / 74), 2));
    const bottom = floor();
    return [
      ...ticks.map((time) => line(x(time), isLive ? 0 : STRIP.top + STRIP.height, x(time), bottom, "grid")),
      line(LEFT, bottom, width - RIGHT, bottom, "axis"),
      ...ticks.map((time, index) => tickWords(time, index, bottom + 14)),
      text(width - RIGHT, bottom + 30, isLive ? "time since the event was stored" : "age: time since the event was stored (202)", "end"),
    ];
  }

  function strip() {
    if (!plan()) return [];
    const spells = plan(), nodes = [text(LEFT, 12, "the function is")];
    spells.forEach(([start, health], index) => {
      const from = x(start * 1000), to = Math.min(x((spells[index + 1]?.[0] ?? Infinity) * 1000), width - RIGHT);
      if (to <= from) return;
      const fill = health === "healthy" ? "color-mix(in srgb, var(--success) 30%, var(--back))" : `url(#${ids[health]})`;
      nodes.push(rect(from, STRIP.top, to - from, STRIP.height, "spell", { style: `fill: ${fill}` }));
      const words = HEALTHS[health], isRoom = to - from > 7 * words.length + 8;
      if (to - from > 16) nodes.push(text((from + to) / 2, STRIP.top + 17, isRoom ? words : words[0], "middle", "label"));
    });
    return nodes;
  }

  function lifeLane(life, top, height, look) {
    const middle = top + height / 2, isMain = look === "main";
    const nodes = life.waits.map((wait) => {
      const from = x(wait.start_ms), to = x(wait.end_ms), inset = isMain ? 6 : height * 0.3;
      const band = element("g", { class: `labkit-retries-wait is-${look}` },
        rect(from, top + inset, to - from, height - 2 * inset, "queued"));
      const words = `waits ${wait.took}`;
      if (isMain && to - from > 6.3 * words.length + 10) band.append(text((from + to) / 2, middle + 4, words, "middle", "label"));
      if (isMain) hover(band, () => [wait.words, [["took", wait.took]]]);
      return band;
    });
    let free = -Infinity;
    life.attempts.forEach((attempt, index) => {
      const from = x(attempt.start_ms), to = Math.max(x(attempt.end_ms), from + (attempt.outcome === "throttled" ? 0 : ATTEMPT_MIN));
      const group = element("g", { class: `labkit-retries-attempt is-${look} is-${attempt.outcome}` });
      if (attempt.outcome !== "throttled") group.append(rect(from, top, to - from, height, "invoke"));
      else group.append(line(from, top, from, top + height, "refused"));
      if (!isMain) {
        group.append(element("g", { class: "labkit-retries-small" }, mark(attempt.outcome, (from + to) / 2, middle)));
        group.lastChild.firstChild.setAttribute("transform", `translate(${to + 7} ${middle}) scale(.62)`);
      } else {
        group.append(mark(attempt.outcome, (from + to) / 2, top - 10));
        group.append(rect(from - 5, top - 18, to - from + 10, height + 34, "hit"));
        if (index === chosen) group.append(rect(from - 4, top - 19, to - from + 8, height + 23, "chosen"));
        const words = attempt.outcome === "throttled" ? "✕" : `attempt ${attempt.number}`;
        const centre = clamp((from + to) / 2, LEFT + 26, width - RIGHT - 26);
        if (words !== "✕" && centre - 29 > free) {
          group.append(text(centre, top + height + 15, words, "middle"));
          free = centre + 29;
        }
        hover(group, () => [attempt.title, attempt.facts]);
        group.addEventListener("click", () => open(index));
      }
      nodes.push(group);
    });
    return nodes;
  }

  // Where the event ends up: a flag after its last attempt.
  function flag(life) {
    if (!life.condition) return [];
    const at = x(life.end_ms);
    if (at > width - RIGHT + 1) return [text(width - RIGHT, LANE.top - 26, `ends after ${spoken(life.end_ms)} →`, "end", "label")];
    const isGood = life.condition === "Success", look = isGood ? "label is-good" : "label is-bad";
    const words = isGood ? ["done"] : [life.condition, `→ ${life.fate}`];
    const widest = 6.9 * Math.max(...words.map((each) => each.length));
    const isRight = at + 12 + widest < width - 2;
    const left = isRight ? at + 9 : clamp(at, LEFT + widest, width - 4);
    const top = isRight ? LANE.top + 16 - 8 * (words.length - 1) : LANE.top - 26 - 15 * (words.length - 1);
    return [
      line(at, LANE.top - 4, at, LANE.top + LANE.height + 4, "end"),
      ...words.map((each, index) => text(left, top + 15 * index, each, isRight ? "start" : "end", look)),
    ];
  }

  function beyond() {
    const found = picture().beyond;
    if (!found || x(found.start_ms) > width - RIGHT) return [];
    const at = x(found.start_ms);
    const group = element("g", { class: "labkit-retries-beyond" },
      rect(at, LANE.top, 8, LANE.height, "forbidden"), mark("throttled", at + 4, LANE.top + LANE.height / 2),
      rect(at - 5, LANE.top - 6, 18, LANE.height + 12, "hit"));
    hover(group, () => ["this attempt is never made", [["why", found.words]]]);
    return [group];
  }

  function ghosts() {
    const nodes = [];
    let top = BEFORE.top;
    if (picture().before) {
      nodes.push(element("g", { class: "labkit-retries-before" }, ...lifeLane(picture().before, top, BEFORE.height, "ghost")),
        text(width - RIGHT, top + 8, "before", "end"));
      top += 22;
    }
    for (const [name, life] of Object.entries(picture().pins)) {
      nodes.push(text(width - RIGHT, top + 9, `pin ${name}`, "end"), ...lifeLane(life, top, 9, "pin"));
      top += PIN_HEIGHT;
    }
    return nodes;
  }

  function paintPicture() {
    const height = floor() + AXIS_HEIGHT;
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    drawn.replaceChildren(
      rect(0, LANE.top - 36, width, LANE.height + 70, "hit"),
      ...axis(),
      ...(picture().life.attempts.length || picture().life.waits.length ? [text(LEFT, LANE.top - 26, "the event")] : []),
      ...beyond(), ...lifeLane(picture().life, LANE.top, LANE.height, "main"), ...ghosts());
    flags.replaceChildren(...flag(picture().life));
    drawn.setAttribute("aria-label", `${picture().headline} Arrow keys go from attempt to attempt, Enter opens the record, space plays.`);
  }

  // ---- what can be dragged: edges of the strip, the maximum age, the playhead

  function paintHandles() {
    const focused = document.activeElement?.dataset?.handle;
    handles.replaceChildren(...(isLive ? [] : [stripArea(), ...edges(), ...ageLine()]));
    if (focused) handles.querySelector(`[data-handle="${focused}"]`)?.focus({ preventScroll: true });
  }

  const timeAt = (event) => x.time(event.clientX - svg.getBoundingClientRect().left);
  const nice = (ms) => {                // to what the hand can mean: about a pixel's time, in whole s
    const step = Math.max(1, Math.round((horizon / 1000) / Math.max(width, 1)));
    return Math.round(ms / 1000 / step) * step;
  };

  function stripArea() {
    const area = rect(LEFT, STRIP.top, width - LEFT - RIGHT, STRIP.height, "area", {
      tabindex: 0, role: "button", "data-handle": "strip",
      "aria-label": "the function over time: Enter paints it from the playhead on; drag paints a stretch",
    });
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      const from = player.head() === null ? 0 : Math.round(player.head()) / 1000;
      change({ health: painted(plan(), brush, from, Infinity) });
    });
    return area;
  }

  function edges() {
    return plan().slice(1).filter(([start]) => x(start * 1000) <= width - RIGHT).map(([start, health], index) => {
      const at = x(start * 1000);
      const group = element("g", {
        tabindex: 0, role: "slider", "data-handle": `edge${index}`, class: "labkit-virtual-handle is-edge",
        "aria-label": `when the function becomes ${health}, in s`, "aria-valuemin": 0, "aria-valuemax": horizon / 1000,
        "aria-valuenow": start, "aria-valuetext": spoken(start * 1000), ...OWN_KEYS,
      }, line(at, STRIP.top - 3, at, STRIP.top + STRIP.height + 3, "edge"),
      rect(at - 3, STRIP.top + 7, 6, 12, "knob", { rx: 2 }),
      rect(at - EDGE_GRIP, STRIP.top - 3, 2 * EDGE_GRIP, STRIP.height + 6, "grip"));
      group.addEventListener("keydown", (event) => {
        const step = STEPS[event.key];
        if (event.key === "Delete" || event.key === "Backspace") {
          event.preventDefault();
          moveEdge(plan(), index + 1, null);
        } else if (step) {
          event.preventDefault();
          moveEdge(plan(), index + 1, start + step * (event.shiftKey ? 30 : 1));
        }
      });
      return group;
    });
  }

  // An edge stays between its neighbours; on one of them its spell is gone.
  function moveEdge(spells, place, to, begins = true) {
    const next = spells.map(([start, health]) => [start, health]);
    if (to === null) next.splice(place, 1);
    else next[place][0] = clamp(to, spells[place - 1][0] + 1, (spells[place + 1]?.[0] ?? Infinity) - 1);
    change({ health: next.filter(([, health], index) => index === 0 || next[index - 1][1] !== health) }, begins);
  }

  function ageLine() {
    const seconds = settings().maximum_event_age_s, at = x(seconds * 1000);
    const isKnob = knows("maximum_event_age_s"), isOut = at > width - RIGHT;
    if (isOut && !isKnob) return [];
    const place = Math.min(at, width - RIGHT), bottom = floor(), top = STRIP.top + STRIP.height + 4;
    const what = width < 480 ? "max. age" : "maximum event age";
    const words = `${what} ${spoken(seconds * 1000)}${isOut ? " →" : ""}${isKnob ? " ↔" : ""}`;
    const isLeft = place + 6.7 * words.length + 12 > width;
    const nodes = [];
    if (!isOut) nodes.push(rect(place, top, width - RIGHT - place, bottom - top, "over", { style: `fill: url(#${ids.beyond})` }));
    nodes.push(line(place, top, place, bottom, isOut ? "limit is-out" : "limit"),
      text(place + (isLeft ? -6 : 6), top + 14, words, isLeft ? "end" : "start", "label"));
    if (!isKnob) return nodes;
    const group = element("g", {
      tabindex: 0, role: "slider", "data-handle": "age", class: "labkit-virtual-handle is-age", ...OWN_KEYS,
      "aria-label": "MaximumEventAgeInSeconds, the line in the picture", "aria-valuemin": AGE_S[0], "aria-valuemax": AGE_S[1],
      "aria-valuenow": seconds, "aria-valuetext": `${seconds} s`,
    }, ...nodes, rect(place - 8, top, 16, bottom - top, "grip"));
    group.addEventListener("keydown", (event) => {
      if (!STEPS[event.key]) return;
      event.preventDefault();
      change({ maximum_event_age_s: clamp(seconds + STEPS[event.key] * 5, ...AGE_S) });
    });
    return [group];
  }

  // One listener for all that is pressed: nodes are drawn anew while the hand still holds one.
  let held = null;
  makeDrag(svg, {
    down(event) {
      if (isLive || asker.isGone()) return false;
      const handle = event.target.closest("[data-handle]")?.dataset.handle;
      const box = svg.getBoundingClientRect(), y = event.clientY - box.top;
      if (handle) handles.querySelector(`[data-handle="${handle}"]`)?.focus({ preventScroll: true });
      if (handle === "strip") held = { mode: "paint", from: timeAt(event), plan: plan(), first: true };
      else if (handle?.startsWith("edge")) held = { mode: "edge", place: Number(handle.slice(4)) + 1, plan: plan(), first: true };
      else if (handle === "age") held = { mode: "age", first: true };
      else if (y > floor()) { held = { mode: "scrub" }; player.set(timeAt(event)); }
      else return false;
      isDragging = held.mode !== "scrub";
      tip.hide();
      return true;
    },
    move(event) {
      const time = timeAt(event), begins = held.first;
      held.first = false;
      if (held.mode === "scrub") player.set(time);
      if (held.mode === "edge") moveEdge(held.plan, held.place, nice(time), begins);
      if (held.mode === "age") {
        const isOut = time >= horizon;
        change({ maximum_event_age_s: isOut ? Math.max(AGE_S[1], 0) : clamp(nice(time), ...AGE_S) }, begins);
      }
      if (held.mode === "paint") {
        const [from, to] = [held.from, time].sort((a, b) => a - b).map(nice);
        if (to > from) change({ health: painted(held.plan, brush, from, time >= horizon || held.from >= horizon ? Infinity : to) }, begins);
      }
    },
    up(event, moved) {
      if (held.mode === "paint" && !moved) toggle(timeAt(event) / 1000);
      held = null;
      isDragging = false;
      paint();
    },
  });

  // A click turns the whole spell to the brush, or on to the next health if it is that already.
  function toggle(time) {
    const spells = plan(), place = spells.filter(([start]) => start <= time).length - 1;
    const health = spells[place][1] === brush ? CYCLE[brush] : brush;
    change({ health: painted(spells, health, spells[place][0], spells[place + 1]?.[0] ?? Infinity) });
  }

  function paintHead() {
    const now = player.head(), bottom = floor();
    const area = rect(0, bottom, width, AXIS_HEIGHT, "scrub");
    if (now === null) {
      over.replaceChildren(area);
    } else {
      const at = x(now), top = isLive ? 0 : STRIP.top + STRIP.height + 1;
      over.replaceChildren(
        rect(at, top, width - at, bottom - top - 1, "unseen"),
        area, line(at, isLive ? 0 : STRIP.top - 4, at, bottom, "head"),
        element("path", { d: `M${at - 5} ${bottom + 1}h10l-5-7z`, class: "labkit-virtual-head-mark" }));
    }
    root.dataset.head = now === null ? "end" : Math.round(now);
    root.dataset.playing = player.isPlaying();
  }

  // ---- records and keys

  const hover = (node, told) => {
    node.addEventListener("pointermove", (event) => { if (!isDragging) tip.show(event, ...told()); });
    node.addEventListener("pointerleave", () => tip.hide());
  };
  function open(index) {
    chosen = index;
    const attempt = picture().life.attempts[index];
    if (!attempt) return;
    record.open(attempt.title, attempt.facts);
    paint();
  }
  function choose(step) {
    const { attempts: all } = picture().life;
    if (!all.length) return;
    chosen = clamp(chosen + step, 0, all.length - 1);
    said.textContent = `${all[chosen].title}; ${all[chosen].facts.map(([term, words]) => `${term} ${words}`).join("; ")}`;
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

  function paintBrush() {
    brushLabel.textContent = player.head() === null ? "paint" : "from now on";
    brushes.show(brush);
  }
  function paintWords() {
    const { settings: known, names, duration_s: seconds } = picture();
    const still = Object.entries(names).filter(([knob]) => !knows(knob)).map(([knob, name]) => {
      const value = known[knob], isLong = knob === "maximum_event_age_s";
      return element("span", {}, `${name} ${number(value)}${isLong ? ` (${spoken(value * 1000)})` : ""}, fixed`);
    });
    head.replaceChildren(element("b", {}, "Retry timeline"), ...(isLive ? [] : still),
      element("span", {}, isLive ? picture().whose : `each attempt runs ${spoken(seconds * 1000)}`));
    headline.textContent = asker.isGone()
      ? `No kernel: run the notebook's cells again to turn anything. ${picture().headline}` : picture().headline;
    error.textContent = picture().error;
    attempts.show(settings().maximum_retry_attempts);
    age.show(settings().maximum_event_age_s);
    horizons.show(fixed);
    for (const part of [attempts, age, brushes]) part.disable(asker.isGone());
    pins.show(picture().pins, picture().comparison, asker.isGone());
    const kinds = new Set(picture().life.attempts.map((attempt) => attempt.outcome));
    const icon24 = { width: 22, height: 18, viewBox: "-11 -9 22 18", "aria-hidden": "true" };
    const items = [
      [true, rect(-3, -8, 6, 16, "invoke"), "attempt: the function runs"],
      [picture().life.waits.length > 0, rect(-10, -5, 20, 10, "queued"), "waits in the queue"],
      [kinds.has("error"), mark("error", 0, 0), "function error"],
      [kinds.has("timeout"), mark("timeout", 0, 0), "timeout"],
      [kinds.has("success"), mark("success", 0, 0), "success"],
      [kinds.has("throttled") || picture().beyond, mark("throttled", 0, 0), kinds.has("throttled") ? "throttled: no run" : "never made: too old"],
    ];
    legend.replaceChildren(...items.filter(([isThere]) => isThere).map(([, shape, words]) =>
      element("span", {}, element("svg", icon24, shape), words)));
  }

  // ---- painting

  // The axis keeps still under the hand, and fits what there is otherwise, unless it was chosen.
  function fit() {
    if (horizon && isDragging) return;
    const end = lifeEnd() * 1.02;
    horizon = fixed || (HORIZONS.find(([length]) => length >= end) ?? HORIZONS.at(-1))[0];
  }
  function paint() {
    fit();
    width = Math.max(stage.clientWidth, 300);
    x = scale();
    if (chosen >= picture().life.attempts.length) chosen = -1;
    paintPicture();
    player.show();
    paintSettings();
  }
  // What the hand turns is shown at once; the life follows with the kernel's answer.
  function paintSettings() {
    strips.replaceChildren(...strip());
    paintHandles();
    paintWords();
    Object.assign(root.dataset, {
      attempts: picture().life.attempts.length, condition: picture().life.condition ?? "", chosen,
      spells: plan()?.length ?? 0, seq: picture().seq, busy: asker.isBusy(), rev: Number(root.dataset.rev) + 1,
    });
  }
  function changed() {
    if (asker.answered(picture())) mine = null;
    if (record.node.hidden === false && picture().life.attempts[chosen]) {
      record.open(picture().life.attempts[chosen].title, picture().life.attempts[chosen].facts);
    }
    paint();
  }

  root.dataset.state = "ready";
  const sizes = new ResizeObserver(() => stage.clientWidth !== width && paint());
  const forget = whenKernelIsGone(model, asker.gone);
  model.on("change:_picture", changed);
  paint();
  sizes.observe(stage);
  root.labkit = { place: (ms) => svg.getBoundingClientRect().left + x(ms), player };
  return () => {
    player.pause();
    asker.end();
    sizes.disconnect();
    forget();
    model.off("change:_picture", changed);
  };
}

export default { render };
