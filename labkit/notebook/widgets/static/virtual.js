// What the widgets in virtual time share; their own modules follow in the same file (see virtual.py).
// The kernel decides and finds the words; here it is drawn, and what the hand does is sent back.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = ["svg", "g", "path", "line", "text", "rect", "circle", "defs", "pattern", "title"];
// Keys that JupyterLab would take for itself, such as "down" for the next cell, belong to what has this.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };
const STALE_MS = 120; // an answer that takes longer lets the old picture fade
const STEPS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const number = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 1 });

function element(tag, attributes = {}, ...children) {
  const node = SVG_TAGS.includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A time such as "0 s", "2.5 s", "1 min 2 s" or "1 h 2 min": as the kernel says it.
function spoken(ms) {
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${number(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

const line = (x1, y1, x2, y2, look) => element("line", { x1, y1, x2, y2, class: `labkit-virtual-${look}` });
const text = (x, y, words, anchor = "start", look = "words") =>
  element("text", { x, y, "text-anchor": anchor, class: `labkit-virtual-${look}` }, words);
const rect = (x, y, width, height, look, more = {}) =>
  element("rect", { x, y, width: Math.max(width, 0), height: Math.max(height, 0), class: `labkit-virtual-${look}`, ...more });

// A mark of an outcome: a shape for each meaning, beside its colour.
const SHAPES = {
  success: "M-5 0-1.5 4 5.5-5",
  error: "M0-6 6.5 5-6.5 5Z",
  timeout: "M0-5 6.5 6-6.5 6ZM-7-8H7",
  throttled: "M-5-5 5 5M-5 5 5-5",
  running: "M-4-5 5 0-4 5Z",
};
const mark = (outcome, x, y, look = "") =>
  element("g", { transform: `translate(${x} ${y})`, class: `labkit-virtual-mark is-${outcome} ${look}` },
    element("path", { d: SHAPES[outcome] ?? SHAPES.error }));

// Oblique strokes in one colour on another: the hatch of a meaning.
function hatch(id, back, stroke, width = 1) {
  const attributes = { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return element("pattern", attributes,
    element("rect", { width: 6, height: 6, fill: back }),
    element("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke, "stroke-width": width * 2 }));
}

const list = (facts) => element("dl", {},
  ...facts.flatMap(([term, words]) => [element("dt", {}, term), element("dd", {}, words)]));

function button(label, ...content) {
  return element("button", { type: "button", "aria-label": label, title: label, ...OWN_KEYS }, ...content);
}

// Round times for an axis of `length` ms that has room for `count` of them.
function timeTicks(length, count) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].map((seconds) => seconds * 1000);
  const step = steps.find((candidate) => length / candidate <= count) ?? steps.at(-1);
  return Array.from({ length: Math.floor(length / step + 1e-9) + 1 }, (_, index) => index * step);
}

// A tip beside the pointer and inside the widget: what hangs out of it would be cut off by the cell.
function makeTip(root) {
  const tip = element("div", { class: "labkit-virtual-tip", role: "tooltip", hidden: "" });
  root.append(tip);
  return {
    show(event, title, facts) {
      tip.replaceChildren(element("b", {}, title), list(facts));
      tip.hidden = false;
      const box = root.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const isRoomRight = x + 14 + tip.offsetWidth <= root.clientWidth - 2;
      tip.style.left = `${isRoomRight ? x + 14 : Math.max(x - 14 - tip.offsetWidth, 2)}px`;
      tip.style.top = `${clamp(y + 12, 2, Math.max(root.clientHeight - tip.offsetHeight - 2, 2))}px`;
    },
    hide() { tip.hidden = true; },
  };
}

// A choice of few: buttons of which one is pressed.
function makeChoice(label, options, onChoose) {
  const buttons = options.map(([value, ...content]) => {
    const node = element("button", { type: "button", role: "radio", ...OWN_KEYS }, ...content);
    node.addEventListener("click", () => onChoose(value));
    return [value, node];
  });
  const group = element("span", { class: "labkit-virtual-choice", role: "radiogroup", "aria-label": label },
    ...buttons.map(([, node]) => node));
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const place = buttons.findIndex(([, node]) => node === document.activeElement);
    if (!step || place < 0) return;
    event.preventDefault();
    const next = buttons[clamp(place + step, 0, buttons.length - 1)][1];
    next.focus();
    next.click();
  });
  return {
    node: group,
    show(chosen) {
      for (const [value, node] of buttons) {
        node.setAttribute("aria-checked", value === chosen);
        node.tabIndex = value === chosen || (chosen === null && node === buttons[0][1]) ? 0 : -1;
      }
    },
    disable(isOff) { for (const [, node] of buttons) node.disabled = isOff; },
  };
}

// A number: a slider for the hand and a box for the exact value.
function makeNumber({ label, unit, low, high, step = 1, stops }, onChange) {
  const name = unit ? `${label} in ${unit}` : label;
  const slider = element("input", { type: "range", min: 0, max: stops.length - 1, "aria-label": name, ...OWN_KEYS });
  const box = element("input", { type: "number", min: low, max: high, step, "aria-label": `${name}, exact`, ...OWN_KEYS });
  slider.addEventListener("input", () => onChange(stops[slider.value]));
  box.addEventListener("change", () => {
    if (!Number.isFinite(box.valueAsNumber) || (step === 1 && !Number.isInteger(box.valueAsNumber))) return;
    onChange(clamp(box.valueAsNumber, low, high));
    box.value = clamp(box.valueAsNumber, low, high);
  });
  return {
    node: element("span", { class: "labkit-virtual-number" }, slider, box, element("span", {}, unit)),
    show(value) {
      const distances = stops.map((stop) => Math.abs(stop - value));
      slider.value = distances.indexOf(Math.min(...distances));
      slider.setAttribute("aria-valuetext", `${number(value)} ${unit}`);
      if (document.activeElement !== box) box.value = value;
    },
    disable(isOff) { slider.disabled = box.disabled = isOff; },
  };
}

const labelled = (label, ...nodes) =>
  element("span", { class: "labkit-virtual-knob" }, element("span", {}, label), ...nodes);

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

// Asks the kernel, one question at a time: while one is out, only the newest of the others is kept.
function makeAsker(model, onState) {
  const view = Math.random().toString(36).slice(2);
  let [sent, next, seq, asked, isGone, timer] = [0, null, 0, 0, false, 0];
  const tell = () => onState(isGone ? "gone" : sent && performance.now() - asked >= STALE_MS - 1 ? "stale" : "ready");
  function send() {
    if (!next || isGone) return;
    sent = ++seq;
    asked = performance.now();
    const question = next;
    next = null;
    try {
      model.send({ ...question, view, seq: sent });
    } catch {
      gone();
      return;
    }
    clearTimeout(timer);
    timer = setTimeout(tell, STALE_MS);
  }
  function gone() {
    isGone = true;
    tell();
  }
  return {
    ask(values, begins) {
      const kept = next ?? { type: "set", values: {}, begins: false };
      next = { ...kept, values: { ...kept.values, ...values }, begins: kept.begins || begins };
      if (!sent) send();
    },
    tell(message) { try { model.send(message); } catch { gone(); } },
    // A picture has come: is it the newest that was asked for?
    answered(picture) {
      if (sent && picture.view === view && picture.seq === sent) sent = 0;
      if (!sent) send();
      tell();
      return !sent;
    },
    isBusy: () => sent !== 0 || next !== null,
    isGone: () => isGone,
    gone,
    end() { clearTimeout(timer); },
  };
}

const ICONS = {
  play: "M4 2l10 6-10 6z", pause: "M3 2h4v12H3zM9 2h4v12H9z", start: "M2 2h2v12H2zM14 2v12L5 8z",
  back: "M11 2v12L3 8zM12 2h2v12h-2z", next: "M5 2v12l8-6zM2 2h2v12H2z", end: "M12 2h2v12h-2zM2 2v12l9-6z",
};
const icon = (name) =>
  element("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, element("path", { d: ICONS[name] }));

// Time as a control. `head` is null at the end, where everything is seen. `moments()` are the times to
// step to, in order; `limit()` is the end of the picture; both in ms. `onMove` paints.
function makePlayer({ moments, limit, onMove }) {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const controls = {
    start: button("back to the start", icon("start")), back: button("previous event", icon("back")),
    play: button("play", icon("play")), next: button("next event", icon("next")),
    end: button("to the end", icon("end")),
  };
  const speed = element("input", { type: "range", min: 0, max: 3.6, step: 0.1, ...OWN_KEYS, "aria-label": "speed of play, logarithmic" });
  const factor = element("span", { class: "labkit-virtual-factor" });
  const clock = element("output", { class: "labkit-virtual-clock" });
  let [head, frame, isSpeedChosen] = [null, 0, false];

  const rate = () => 10 ** Number(speed.value);
  function show() {
    const word = frame ? "pause" : "play";
    if (controls.play.title !== word) {
      controls.play.replaceChildren(icon(word));
      controls.play.title = word;
      controls.play.setAttribute("aria-label", word);
    }
    if (!isSpeedChosen) speed.value = clamp(Math.log10(limit() / 9000), 0, 3.6);
    factor.textContent = `${number(Number(rate().toPrecision(2)))}×`;
    speed.setAttribute("aria-valuetext", `${factor.textContent} real time`);
    clock.textContent = head === null ? "end" : spoken(head);
    onMove();
  }
  function pause() {
    cancelAnimationFrame(frame);
    frame = 0;
  }
  function set(time) {
    pause();
    head = time === null || time >= limit() ? null : Math.max(time, 0);
    show();
  }
  function tick(before) {
    frame = requestAnimationFrame((now) => {
      head += rate() * Math.max(now - before, 0);
      if (head >= limit()) {
        head = null;
        frame = 0;
      } else tick(now);
      show();
    });
  }
  function toggle() {
    if (frame) pause();
    else {
      head ??= 0;
      tick(performance.now());
    }
    show();
  }
  function step(way) {
    const now = head ?? Infinity;
    const times = moments().filter((time) => (way > 0 ? time > now + 0.5 : time < now - 0.5));
    set(way > 0 ? (times[0] ?? null) : (times.at(-1) ?? 0));
  }
  controls.start.addEventListener("click", () => set(0));
  controls.back.addEventListener("click", () => step(-1));
  controls.play.addEventListener("click", toggle);
  controls.next.addEventListener("click", () => step(1));
  controls.end.addEventListener("click", () => set(null));
  speed.addEventListener("input", () => { isSpeedChosen = true; show(); });
  const bar = element("span", { class: "labkit-virtual-player" }, ...Object.values(controls), clock,
    element("label", {}, "speed", speed, factor));
  const keys = {
    " ": toggle, ",": () => step(-1), ".": () => step(1), Home: () => set(0), End: () => set(null),
  };
  return {
    bar, keys, set, show, pause,
    head: () => head,
    at: () => head ?? Infinity,
    isPlaying: () => frame !== 0,
    isStill: () => still.matches,
    rate,
  };
}

// The root of a widget, its theme, and keys that stay in it.
function makeRoot(model, el, name, label) {
  const root = element("div", { class: `labkit-virtual labkit-${name}`, role: "group", "aria-label": label, "data-rev": 0 });
  for (const [word, colour] of Object.entries(model.get("_palette"))) root.style.setProperty(`--${word}`, colour);
  el.append(root);
  // Keys that are meant for a control here are no commands to the notebook; Shift+Enter still is.
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey) event.stopPropagation();
  });
  return root;
}

// Follows the pointer from a press on `node` to its release.
function makeDrag(node, { down, move, up }) {
  let start = null;
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = down(event) === false ? null : { x: event.clientX, y: event.clientY, moved: false };
    if (!start) return;
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    if (!start) return;
    start.moved ||= Math.hypot(event.clientX - start.x, event.clientY - start.y) > 3;
    if (start.moved) move(event);
  });
  const release = (event) => {
    if (!start) return;
    const { moved } = start;
    start = null;
    up(event, moved);
  };
  node.addEventListener("pointerup", release);
  node.addEventListener("pointercancel", release);
}

// The two settings that are kept to be compared.
function makePins(asker) {
  const nodes = ["A", "B"].map((name) => {
    const pin = button(`Pin this setting as ${name}`, `Pin ${name}`);
    pin.addEventListener("click", () => asker.tell({ type: "pin", name }));
    return [name, pin];
  });
  const words = element("span", { class: "labkit-virtual-pinned", "aria-live": "polite" });
  return {
    node: element("div", { class: "labkit-virtual-pins" }, ...nodes.map(([, pin]) => pin), words),
    show(pins, comparison, isOff) {
      words.textContent = comparison;
      for (const [name, pin] of nodes) {
        pin.setAttribute("aria-pressed", name in pins);
        pin.disabled = isOff;
      }
    },
  };
}

// The record of a mark that was clicked.
function makeRecord(onClose) {
  const panel = element("section", { class: "labkit-virtual-record", "aria-label": "record", hidden: "" });
  const close = () => {
    if (panel.hidden) return;
    panel.hidden = true;
    onClose();
  };
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  return {
    node: panel, close,
    open(title, facts) {
      const cross = button("close the record", "✕");
      cross.addEventListener("click", close);
      panel.replaceChildren(cross, element("b", {}, title), list(facts));
      panel.hidden = false;
    },
  };
}
