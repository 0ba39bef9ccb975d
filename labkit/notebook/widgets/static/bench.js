// A bench for one function: knobs for memory and timeout, a button that really invokes, and a
// picture of duration against memory: theory as a dashed curve, measurements as marks, the timeout
// as a line to drag. All words about a measurement come from the kernel.

const KNOBS = {
  memory_mb: { label: "Memory", unit: "MB", stops: [128, 256, 512, 1024, 1769, 3008, 5120, 10240] },
  timeout_s: { label: "Timeout", unit: "s", stops: [1, 2, 3, 5, 10, 15, 20, 30, 60, 90, 120, 180, 300, 600, 900] },
};
const MEMORY_MB = [128, 10240];
const TIMEOUT_S = [1, 900];
const TICKS_MB = [128, 256, 512, 1024, 2048, 4096, 8192];
const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
const HEIGHT = 250, LEFT = 58, RIGHT = 12, TOP = 22, BOTTOM = 40;
const FLOOR = HEIGHT - BOTTOM;
const TICK_MS = 100;
const SVG = "http://www.w3.org/2000/svg";
// Keys that JupyterLab would take for itself, such as "down" for the next cell, belong to what has this.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };
const SVG_TAGS = ["svg", "g", "path", "line", "text", "rect", "title"];
const SHAPES = {
  success: "M-5-5 5 5M-5 5 5-5",
  error: "M0-7 7 6-7 6Z",
  timeout: "M0-7 7 6-7 6ZM-8-11H8", // under a bar: the limit that it ran into
  ring: "M-10 0a10 10 0 1 0 20 0a10 10 0 1 0-20 0",
  theory: "M-6 0 0-6 6 0 0 6Z",
};

const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);
const number = (value) => value.toLocaleString("en-US");
const rounded = (value, digits) =>
  Number(value.toPrecision(digits)).toLocaleString("en-US", { maximumFractionDigits: 12 });
const inMs = (ms) => `${ms < 1000 ? rounded(ms, 3) : number(Math.round(ms))} ms`;

function element(tag, attributes = {}, ...children) {
  const node = SVG_TAGS.includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const line = (x1, y1, x2, y2, look) => element("line", { x1, y1, x2, y2, class: `labkit-bench-${look}` });
const text = (x, y, words, anchor = "start", look = "words") =>
  element("text", { x, y, "text-anchor": anchor, class: `labkit-bench-${look}` }, words);

// A knob: a slider for the hand and a box for the exact value. The box also takes what AWS will
// refuse: then AWS says why.
function makeKnob({ label, unit, stops }, onChange) {
  const name = `${label} in ${unit}`;
  const steps = { type: "range", min: 0, max: stops.length - 1 };
  const slider = element("input", { ...steps, ...OWN_KEYS, "aria-label": name });
  const range = { type: "number", min: stops[0], max: stops.at(-1) };
  const box = element("input", { ...range, ...OWN_KEYS, "aria-label": `${name}, exact` });
  slider.addEventListener("input", () => onChange(stops[slider.value]));
  box.addEventListener("input", () => Number.isInteger(box.valueAsNumber) && onChange(box.valueAsNumber));
  const words = [element("span", {}, label), slider, box, element("span", {}, unit)];
  return {
    node: element("div", { class: "labkit-bench-knob" }, ...words),
    show(value) {
      const distances = stops.map((stop) => Math.abs(Math.log(stop / Math.max(value, 1))));
      slider.value = distances.indexOf(Math.min(...distances));
      slider.setAttribute("aria-valuetext", `${number(value)} ${unit}`);
      if (box.valueAsNumber !== value) box.value = value;
    },
  };
}

// ---- the picture ----

// Where memory and time lie, both logarithmic.
function makeScale(width, times) {
  const [least, most] = [Math.min(...times), Math.max(...times)];
  const room = most / least > 5 ? 1.8 : 4;
  const [low, high] = [Math.log(least / room), Math.log(most * room)];
  const [from, to] = [Math.log(MEMORY_MB[0] / 1.15), Math.log(MEMORY_MB[1] * 1.1)];
  return {
    width,
    right: width - RIGHT,
    low: Math.exp(low),
    high: Math.exp(high),
    x: (mb) => LEFT + ((width - LEFT - RIGHT) * (Math.log(clamp(mb, MEMORY_MB)) - from)) / (to - from),
    y: (time) => FLOOR - ((FLOOR - TOP) * (clamp(Math.log(time), [low, high]) - low)) / (high - low),
    time: (y) => Math.exp(low + (clamp(FLOOR - y, [0, FLOOR - TOP]) * (high - low)) / (FLOOR - TOP)),
  };
}

// Round values of a logarithmic axis, seven at most where that is possible.
function ticks(low, high) {
  const powers = Array.from({ length: 16 }, (_, index) => index - 6);
  const sets = [[1, 2, 5], [1, 3], [1]].map((digits) =>
    powers
      .flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)))
      .filter((value) => value >= low && value <= high),
  );
  return sets.find((found) => found.length <= 7) ?? sets.at(-1);
}

function axes(scale, isRelative, fullCoreMb) {
  const said = (tick) =>
    isRelative ? `${number(tick)}×` : tick >= 1000 ? `${number(tick / 1000)} s` : `${rounded(tick, 2)} ms`;
  const core = scale.x(fullCoreMb);
  const isNarrow = scale.right - core < 120;
  return [
    ...ticks(scale.low, scale.high).flatMap((tick) => [
      line(LEFT, scale.y(tick), scale.right, scale.y(tick), "grid"),
      text(LEFT - 6, scale.y(tick) + 4, said(tick), "end"),
    ]),
    ...TICKS_MB.flatMap((mb) => [
      line(scale.x(mb), FLOOR, scale.x(mb), FLOOR + 4, "axis"),
      text(scale.x(mb), FLOOR + 16, number(mb), "middle"),
    ]),
    line(LEFT, FLOOR, scale.right, FLOOR, "axis"),
    text((LEFT + scale.right) / 2, HEIGHT - 6, "memory (MB)", "middle"),
    text(2, 11, isRelative ? "times as long as with 1 vCPU" : "duration"),
    line(core, TOP - 4, core, FLOOR, "core"),
    text(core + (isNarrow ? -5 : 5), TOP + 6, `${number(fullCoreMb)} MB = 1 vCPU`, isNarrow ? "end" : "start"),
  ];
}

function mark(outcome, x, y, isCold, look = "") {
  const place = `translate(${x} ${y})`;
  const group = element("g", { class: `labkit-bench-mark is-${outcome} ${look}`, transform: place });
  if (isCold) group.append(element("path", { d: SHAPES.ring, class: "labkit-bench-ring" }));
  group.append(element("path", { d: SHAPES[outcome] }));
  return group;
}

function curve(scale, theory) {
  const points = [];
  for (let step = 0; step <= 120; step++) {
    const mb = MEMORY_MB[0] * (MEMORY_MB[1] / MEMORY_MB[0]) ** (step / 120);
    points.push(`${scale.x(mb).toFixed(1)} ${scale.y(theory(mb)).toFixed(1)}`);
  }
  return element("path", { d: `M${points.join("L")}`, class: "labkit-bench-theory" });
}

// The memory that the knob shows and, before anything runs with it, what the theory says of it.
function forecast(scale, memoryMb, time, words) {
  const x = scale.x(memoryMb);
  const isLeft = x > LEFT + 108;
  const said = time === null ? "this setting" : `theory: ${words}`;
  const label = text(x + (isLeft ? -6 : 6), FLOOR - 7, said, isLeft ? "end" : "start", "label");
  if (time === null) return [line(x, FLOOR, x, FLOOR - 22, "setting"), label];
  return [line(x, FLOOR, x, scale.y(time), "setting"), mark("theory", x, scale.y(time), false), label];
}

// Measurements, the last one with its duration, pinned ones with their letter.
function measured(scale, results, pins) {
  return results.flatMap((result, index) => {
    const isLast = index === results.length - 1;
    const [x, y] = [scale.x(result.memory_mb), scale.y(result.duration_ms)];
    const node = mark(result.outcome, x, y, result.init_ms !== null, isLast ? "is-last" : "is-past");
    node.append(element("title", {}, result.summary));
    const words = Object.keys(pins).filter((letter) => pins[letter] === index);
    if (isLast) words.push(result.facts[0][1]);
    const isRight = x < scale.width - 90;
    const label = text(x + (isRight ? 13 : -13), y - 10, words.join(" · "), isRight ? "start" : "end", "label");
    return words.length ? [node, label] : [node];
  });
}

function ghosts(scale, previous, timeoutS) {
  if (!previous) return [];
  const [x, limit] = [scale.x(previous.memory_mb), scale.y(previous.timeout_s * 1000)];
  const found = [line(x, FLOOR, x, scale.y(previous.duration_ms), "ghost")];
  if (timeoutS !== null && previous.timeout_s !== timeoutS) found.push(line(LEFT, limit, scale.right, limit, "ghost"));
  return found;
}

// The line of the timeout; what lies above it cannot come to its end.
function limit(scale, timeoutS, isKnob) {
  const y = scale.y(timeoutS * 1000);
  const width = scale.right - LEFT;
  const words = `timeout ${number(timeoutS)} s${isKnob ? " ↕ drag me" : ", fixed"}`;
  const over = { x: LEFT, y: TOP - 4, width, height: Math.max(0, y - TOP + 4), class: "labkit-bench-over" };
  const grip = { x: LEFT, y: y - 11, width, height: 22, rx: 3, class: "labkit-bench-grip" };
  return [
    element("rect", over),
    line(LEFT, y, scale.right, y, "limit"),
    text(scale.right - 4, y < TOP + 24 ? y + 16 : y - 7, words, "end", "label"),
    ...(isKnob ? [element("rect", grip)] : []),
  ];
}

// What the marks in the picture mean: those that are there.
function legend(results, hasTheory) {
  const has = (outcome) => results.some((result) => result.outcome === outcome);
  const isCold = (result) => result.init_ms !== null;
  const items = [
    [has("success"), mark("success", 0, 0, false), "measured"],
    [has("error"), mark("error", 0, 0, false), "measured: error"],
    [has("timeout"), mark("timeout", 0, 0, false), "measured: timeout"],
    [results.some(isCold), mark("success", 0, 0, true), "after a cold start"],
    [hasTheory, line(-11, 0, 11, 0, "theory"), "theory: time × share = constant"],
    [hasTheory, mark("theory", 0, 0, false), "theory, this setting"],
  ];
  const icon = { width: 24, height: 24, viewBox: "-12 -12 24 24", "aria-hidden": "true" };
  const there = items.filter(([isThere]) => isThere);
  return there.map(([, shape, words]) => element("span", {}, element("svg", icon, shape), words));
}

// Calls back once the kernel is gone, restarted or shut down; returns what ends that.
function whenKernelIsGone(model, callback) {
  const session = model.widget_manager?.context?.sessionContext;
  const look = () => session.session?.kernel || callback();
  model.on("comm_live_update", callback);
  session?.kernelChanged.connect(look);
  return () => {
    model.off("comm_live_update", callback);
    session?.kernelChanged.disconnect(look);
  };
}

const PAGE = `
  <div class="labkit-bench-head"></div>
  <div class="labkit-bench-knobs"><button type="button" data-lm-suppress-shortcuts="true" class="labkit-bench-invoke">Invoke</button></div>
  <p class="labkit-bench-error" role="alert"></p>
  <p class="labkit-bench-status" aria-live="polite"></p>
  <div class="labkit-bench-facts" role="list"></div>
  <div class="labkit-bench-stage">
    <svg height="${HEIGHT}">
      <g class="labkit-bench-drawn" role="img"></g><g class="labkit-bench-timeout"></g>
    </svg>
  </div>
  <div class="labkit-bench-legend"></div>
  <div class="labkit-bench-pins">
    <button type="button" data-lm-suppress-shortcuts="true" data-pin="A" aria-label="Pin the last result as A">Pin A</button>
    <button type="button" data-lm-suppress-shortcuts="true" data-pin="B" aria-label="Pin the last result as B">Pin B</button>
    <p class="labkit-bench-pinned" aria-live="polite"></p>
  </div>
  <p class="labkit-bench-hint">
    Each press is a real invocation with a real CPU share; network and microVM are left out.
  </p>`;

function render({ model, el }) {
  const name = model.get("function");
  const root = element("div", { class: "labkit-bench", role: "group", "aria-label": `Bench of ${name}` });
  root.innerHTML = PAGE;
  root.dataset.rev = 0;
  for (const [word, colour] of Object.entries(model.get("_palette"))) root.style.setProperty(`--${word}`, colour);
  el.append(root);

  const part = (look) => root.querySelector(`.labkit-bench-${look}`);
  const [button, stage, handle] = ["invoke", "stage", "timeout"].map(part);
  const has = (key) => model.get("knobs").includes(key);
  const results = () => model.get("_results");
  // What this view alone knows: where its knobs stand, and what it waits for.
  const chosen = { memory_mb: model.get("memory_mb"), timeout_s: model.get("timeout_s") };
  const known = { ...chosen };
  let [isAsked, isGone, isDragging, began, scale] = [false, false, false, 0, null];

  const knobs = model.get("knobs").map((key) => [key, makeKnob(KNOBS[key], (value) => turn(key, value))]);
  button.before(...knobs.map(([, knob]) => knob.node));
  if (has("timeout_s")) {
    const about = { ...OWN_KEYS, tabindex: 0, role: "slider", "aria-label": "Timeout in s, the line in the picture" };
    const range = { "aria-valuemin": TIMEOUT_S[0], "aria-valuemax": TIMEOUT_S[1] };
    for (const [key, value] of Object.entries({ ...about, ...range })) handle.setAttribute(key, value);
  }

  function paintPicture() {
    const all = results();
    const isKnob = has("timeout_s");
    const isRelative = all.length === 0 && !isKnob;
    const first = all.find((result) => result.outcome === "success");
    const hasTheory = isRelative || first !== undefined;
    const share = (mb) => Math.min(1, mb / model.get("_full_core_mb"));
    const theory = (mb) => (first ? first.duration_ms * share(first.memory_mb) : 1) / share(mb);
    const limitMs = chosen.timeout_s * 1000;
    const times = all.map((result) => result.duration_ms);
    if (hasTheory) times.push(...MEMORY_MB.map(theory));
    if (isKnob) times.push(limitMs, 10_000, ...(all.length ? [] : [10]));
    const width = Math.max(stage.clientWidth, 280);
    // Under the hand that drags, the axis keeps still.
    if (!isDragging || scale.width !== width) scale = makeScale(width, times);
    stage.firstElementChild.setAttribute("width", width);
    const time = hasTheory ? theory(clamp(chosen.memory_mb, MEMORY_MB)) : null;
    const said = isRelative ? `${rounded(time, 3)}×` : time > limitMs ? "over the timeout" : inMs(time ?? 0);
    part("drawn").replaceChildren(
      ...axes(scale, isRelative, model.get("_full_core_mb")),
      ...ghosts(scale, all.at(-2), isKnob ? chosen.timeout_s : null),
      ...(hasTheory ? [curve(scale, theory)] : []),
      ...forecast(scale, chosen.memory_mb, time, said),
      ...measured(scale, all, model.get("pins")),
    );
    const words = all.slice(-5).map((result) => result.summary);
    part("drawn").setAttribute("aria-label", `Duration against memory. ${words.join("; ") || "Nothing measured yet"}`);
    const isSeen = isKnob || (!isRelative && limitMs < scale.high);
    handle.replaceChildren(...(isSeen ? limit(scale, chosen.timeout_s, isKnob) : []));
    handle.setAttribute("aria-valuenow", chosen.timeout_s);
    handle.setAttribute("aria-valuetext", `${number(chosen.timeout_s)} s`);
    part("legend").replaceChildren(...legend(all, hasTheory));
  }

  function paintWords() {
    const last = results().at(-1);
    const fixed = Object.entries(KNOBS).filter(([key]) => !has(key));
    const sizes = fixed.map(([key, { label, unit }]) => `${label} ${number(model.get(key))} ${unit} (fixed)`);
    part("head").replaceChildren(element("b", {}, name), ...sizes.map((words) => element("span", {}, words)));
    const fact = ([what, value]) =>
      element("div", { role: "listitem" }, element("span", {}, `${what} `), element("b", {}, value));
    part("facts").replaceChildren(...(last ? last.facts : []).map(fact));
    part("error").textContent = model.get("error");
    part("pinned").textContent = model.get("comparison");
    for (const pin of root.querySelectorAll("[data-pin]")) pin.disabled = !last;
    const status = {
      gone: ["No kernel: run the notebook's cells again to use the bench."],
      busy: [model.get("busy") ? "Running …" : "Waiting for the kernel …"],
      ready: last
        ? [element("b", {}, last.headline), last.caller, element("code", {}, last.payload)]
        : ["Nothing invoked yet: turn the knob, then press Invoke."],
    };
    part("status").replaceChildren(...status[state()]);
  }

  // While the function runs, the button shows for how long.
  function paintButton() {
    button.disabled = state() !== "ready";
    button.textContent = state() === "busy" ? `${((performance.now() - began) / 1000).toFixed(1)} s` : "Invoke";
  }

  function paint() {
    for (const [key, knob] of knobs) knob.show(chosen[key]);
    paintPicture();
    paintWords();
    paintButton();
    Object.assign(root.dataset, { state: state(), results: results().length, rev: Number(root.dataset.rev) + 1 });
  }

  const state = () => (isGone ? "gone" : isAsked || model.get("busy") ? "busy" : "ready");
  function turn(key, value) {
    chosen[key] = value;
    paint();
  }
  function press() {
    isAsked = true;
    began = performance.now();
    model.send({ type: "invoke", ...Object.fromEntries(model.get("knobs").map((key) => [key, chosen[key]])) });
    paint();
  }
  function changed() {
    for (const [key, before] of Object.entries(known)) {
      known[key] = model.get(key);
      if (chosen[key] === before) chosen[key] = known[key]; // a knob that nobody turned
    }
    if (!isAsked && model.get("busy")) began = performance.now();
    isAsked = false;
    paint();
    // A button that is disabled loses the focus; who pressed it by keyboard gets it back.
    if (state() === "ready" && document.activeElement === document.body) button.focus({ preventScroll: true });
  }
  function drag(event) {
    if (!isDragging) return;
    const seconds = scale.time(event.clientY - stage.getBoundingClientRect().top) / 1000;
    turn("timeout_s", clamp(Math.round(seconds), TIMEOUT_S));
  }
  function drop() {
    isDragging = false;
    paint();
  }

  button.addEventListener("click", press);
  for (const pin of root.querySelectorAll("[data-pin]")) {
    pin.addEventListener("click", () => {
      model.set("pins", { ...model.get("pins"), [pin.dataset.pin]: results().length - 1 });
      model.save_changes();
    });
  }
  if (has("timeout_s")) {
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      isDragging = true;
    });
    handle.addEventListener("pointermove", drag);
    handle.addEventListener("lostpointercapture", drop);
    handle.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS)) return;
      event.preventDefault();
      turn("timeout_s", clamp(chosen.timeout_s + KEYS[event.key], TIMEOUT_S));
    });
  }
  const ticking = setInterval(() => state() === "busy" && paintButton(), TICK_MS);
  const sizes = new ResizeObserver(() => stage.clientWidth !== scale.width && paint());
  const forget = whenKernelIsGone(model, () => {
    isGone = true;
    paint();
  });
  model.on("change", changed);
  paint();
  sizes.observe(stage);
  return () => {
    clearInterval(ticking);
    sizes.disconnect();
    forget();
    model.off("change", changed);
  };
}

export default { render };
