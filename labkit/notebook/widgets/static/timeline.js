// The timeline of execution environments. Rows are environments, time runs to the right. The kernel
// sends columns of numbers (see timeline_columns.py); everything that is seen is made here.
//
// A `time` is in ms after the first event. A `place` is where a time stands on the drawn axis: also
// in ms, but long waiting is cut short. The window shows the places from `from` to `to`.

const FROZEN = 0, GONE = 1, INVOKE = 2, INIT = 3, PROVISIONED = 4;
const ERROR = 0, TIMEOUT = 1, END = 2, THROTTLE = 3;
const BAR_WORDS = ["frozen", "process gone", "invoke", "init", "provisioned"];
const MARK_WORDS = ["error", "timeout", "environment ended", "throttled"];
const OUTCOMES = ["success", "error", "timeout"];
const ARCHITECTURES = ["x86_64", "arm64"];

const CUT = 0.07, CUTS = 0.6;   // the width of a cut, and of all cuts, as parts of the busy time
const STAGE_MAX = 320, ROW_MIN = 10, ROW_MAX = 26, TOP = 22, AXIS = 38, RIGHT = 10;
const WORK_MIN = 3;             // px: an invocation is to be seen however short it was
const HIT = 4;                  // px around the pointer
const ZOOM = 0.6, GHOST = 0.17;
const RUN_MAX_MS = 900e3;       // no invocation of Lambda lasts longer

const isWork = (kind) => kind === INVOKE || kind === INIT;

// ---------------------------------------------------------------- small helpers

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const clamp = (value, low, high) => Math.max(low, Math.min(value, high));
const last = (values) => values[values.length - 1];
const number = (value, digits = 2, least = 0) => value.toLocaleString(
  "en", { minimumFractionDigits: least, maximumFractionDigits: digits });
const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

function duration(ms) {
  if (ms < 9.995) return `${ms.toFixed(2)} ms`;
  if (ms < 999.5) return `${ms.toFixed(ms < 99.95 ? 1 : 0)} ms`;
  if (ms < 59.95e3) return `${(ms / 1e3).toFixed(ms < 9.995e3 ? 2 : 1)} s`;
  if (ms < 59.95 * 60e3) return `${(ms / 60e3).toFixed(ms < 9.95 * 60e3 ? 1 : 0)} min`;
  return `${(ms / 3600e3).toFixed(1)} h`;
}

function usd(value) {
  if (!(value > 0)) return "$0";
  return `$${value.toFixed(clamp(1 - Math.floor(Math.log10(value)), 2, 12))}`;
}

// The first index in `values[low..high)` that is not below `value`.
function lowerBound(values, value, low = 0, high = values.length) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function interpolate(value, keys, values) {
  const i = clamp(lowerBound(keys, value), 1, keys.length - 1);
  const span = keys[i] - keys[i - 1];
  return values[i - 1] + (span ? (value - keys[i - 1]) / span : 0) * (values[i] - values[i - 1]);
}

// ---------------------------------------------------------------- the data

function typed(view, Type) {
  // Copied, because bytes out of a message need not lie where numbers may begin.
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

const BAR_TYPES = {
  start: Float64Array, end: Float64Array, row: Uint32Array, kind: Uint8Array, record: Int32Array,
};
const MARK_TYPES = { time: Float64Array, row: Uint32Array, kind: Uint8Array, record: Int32Array };
const RECORD_TYPES = {
  id: Uint8Array, duration_ms: Float32Array, init_ms: Float32Array, billed_ms: Float32Array,
  memory_mb: Float32Array, max_memory_mb: Float32Array, outcome: Uint8Array,
  architecture: Uint8Array, is_inside: Uint8Array, why: Int32Array, function: Int32Array,
};

function unpack(sent) {
  const group = (views, types) => Object.fromEntries(
    Object.entries(types).map(([name, Type]) => [name, typed(views[name], Type)]));
  const data = {
    rows: sent.rows, end: sent.end_ms, texts: sent.texts, goingOn: typed(sent.going_on, Uint32Array),
    bar: group(sent.bars, BAR_TYPES),
    mark: group(sent.marks, MARK_TYPES),
    record: group(sent.records, RECORD_TYPES),
  };
  data.count = data.bar.start.length;
  data.firstBar = firstOfRows(data.bar.row, data.rows.length + 1);
  data.firstMark = firstOfRows(data.mark.row, data.rows.length + 2);
  data.hasThrottles = data.mark.kind.includes(THROTTLE);
  data.functions = new Set(data.rows.map(([name]) => name)).size;
  data.invocations = data.bar.kind.reduce(
    (sum, kind, bar) => sum + (kind === INVOKE && data.bar.record[bar] >= 0), 0);
  data.isGoingOn = new Set(data.goingOn);
  return data;
}

// Where the things of each row begin; those of row r end where those of r + 1 begin.
function firstOfRows(rows, count) {
  const first = new Uint32Array(count);
  for (let row = 0; row < count; row++) first[row] = lowerBound(rows, row);
  return first;
}

function requestId(data, record) {
  const bytes = [...data.record.id.subarray(16 * record, 16 * record + 16)];
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (/^0*$/.test(hex)) return "";
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

// The bar whose record tells about a bar: an init inside an invocation parts that in two.
function teller(data, bar) {
  const stop = data.firstBar[data.bar.row[bar] + 1];
  if (data.bar.kind[bar] !== INVOKE) return bar;
  for (let next = bar; next < stop && isWork(data.bar.kind[next]); next++) {
    if (data.bar.kind[next] === INVOKE && data.bar.record[next] >= 0) return next;
  }
  return bar;
}

// ---------------------------------------------------------------- the axis

// Stretches of time in which something is to be seen, in order and apart.
function busyStretches(data) {
  const found = [[0, 0], [data.end, data.end]];
  const { start, end, kind } = data.bar;
  for (let bar = 0; bar < data.count; bar++) {
    if (isWork(kind[bar])) found.push([start[bar], end[bar]]);
  }
  for (const time of data.mark.time) found.push([time, time]);
  found.sort((a, b) => a[0] - b[0]);
  const merged = [found[0].slice()];
  for (const [from, to] of found) {
    if (from <= last(merged)[1]) last(merged)[1] = Math.max(last(merged)[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

function makeAxis(data, toScale) {
  const times = [0], places = [0], drawn = [0], cuts = [];
  const add = (time, width, drawnMs) => {
    places.push(last(places) + width);
    drawn.push(last(drawn) + drawnMs);
    times.push(time);
  };
  const stretches = toScale ? [] : busyStretches(data);
  const busy = stretches.reduce((sum, [from, to]) => sum + to - from, 0) || 1;
  const gaps = stretches.slice(1)
    .map(([after], i) => [stretches[i][1], after])
    .filter(([before, after]) => after - before > CUT * busy);
  const width = busy * Math.min(CUT, CUTS / gaps.length);
  for (const [before, after] of gaps) {
    const scaled = before - last(times);
    add(before, scaled, scaled);
    const from = last(places);
    add(after, width, 0);
    cuts.push({ from, to: last(places), ms: after - before });
  }
  const rest = Math.max(data.end - last(times), 0);
  add(data.end, rest, rest);
  // What goes on is drawn beyond the last event, to scale.
  const map = (keys, values) => (value) => value > last(keys)
    ? last(values) + value - last(keys)
    : interpolate(value, keys, values);
  return {
    cuts, length: last(places),
    place: map(times, places), time: map(places, times),
    drawn: map(places, drawn), placeOfDrawn: map(drawn, places),
  };
}

const UNITS = [["h", 3600e3], ["min", 60e3], ["s", 1e3], ["ms", 1]];

// Steps of 1, 2 or 5 times a power of ten of a unit, about `count` of them up to `length` ms.
function tickStep(length, count) {
  const raw = length / Math.max(count, 1);
  const [unit, unitMs] = UNITS.find(([, ms]) => raw >= 0.2 * ms) ?? last(UNITS);
  const power = 10 ** Math.floor(Math.log10(raw / unitMs));
  const step = [1, 2, 5, 10].find((digit) => digit * power * unitMs >= raw * 0.999) * power;
  return { unit, unitMs, step, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// ---------------------------------------------------------------- words

// What is known of a bar: a title, [term, text] pairs, and for an invocation its phases in ms.
function describe(data, bar, prices) {
  const { start, end, row, kind } = data.bar;
  const [name, ordinal] = data.rows[row[bar]];
  const facts = [
    ["environment", `${ordinal} of ${name}`],
    ["from", `${duration(start[bar])} after the start`],
  ];
  const told = { title: BAR_WORDS[kind[bar]], facts, id: "", phases: [] };
  const record = data.bar.record[teller(data, bar)];
  if (record < 0) {
    const goesOn = data.isGoingOn.has(bar);
    if (goesOn && isWork(kind[bar])) told.title += ", still running";
    facts.push([goesOn ? "so far" : "took", duration(end[bar] - start[bar])]);
    return told;
  }
  const known = data.record, why = known.why[record] < 0 ? "" : data.texts[known.why[record]];
  const outcome = OUTCOMES[known.outcome[record]];
  if (kind[bar] !== INVOKE) {
    facts.push(["took", duration(end[bar] - start[bar])]);
    if (outcome !== "success") facts.push(["outcome", why ? `${outcome}: ${why}` : outcome]);
    return told;
  }
  const init = known.init_ms[record], took = known.duration_ms[record];
  const isCold = !Number.isNaN(init);
  const inside = initInside(data, teller(data, bar));
  told.title += isCold ? ", after a cold start" : inside ? ", with an init inside" : ", warm";
  told.id = requestId(data, record);
  if (!Number.isNaN(took)) {
    facts.push(["duration", duration(took)]);
    told.phases = isCold ? [["init", init], ["invoke", took]]
      : inside ? [["init", inside], ["invoke", Math.max(took - inside, 0)]] : [["invoke", took]];
  }
  if (isCold) facts.push(["init", duration(init)]);
  if (inside) facts.push(["init in it", duration(inside)]);
  facts.push(["outcome", why ? `${outcome}: ${why}` : outcome]);
  facts.push(...costs(known, record, prices));
  if (told.id) facts.push(["request id", told.id]);
  return told;
}

// How long an init took that ran inside an invocation, after a process was lost; 0 if none did.
function initInside(data, bar) {
  const { start, end, row, kind, record } = data.bar, before = bar - 1;
  const isInit = before >= 0 && row[before] === row[bar] && kind[before] === INIT;
  if (!isInit || record[before] < 0 || !data.record.is_inside[record[before]]) return 0;
  return end[before] - start[before];
}

function costs(known, record, allPrices) {
  const prices = allPrices[ARCHITECTURES[known.architecture[record]]];
  const billed = known.billed_ms[record], memory = known.memory_mb[record];
  const facts = [], used = known.max_memory_mb[record];
  if (!Number.isNaN(billed)) {
    const usdACall = prices.requests + ((billed / 1000) * memory / 1024) * prices.duration;
    const million = number(usdACall * 1e6, 2, 2);
    facts.push(["billed", `${number(billed)} ms × ${number(memory)} MB`]);
    facts.push(["cost", `${usd(usdACall)} a call, $${million} per million`]);
  }
  if (!Number.isNaN(used)) facts.push(["memory used", `${number(used)} of ${number(memory)} MB`]);
  return facts;
}

function describeMark(data, mark, count) {
  const kind = data.mark.kind[mark], record = data.mark.record[mark];
  const facts = [["at", `${duration(data.mark.time[mark])} after the start`]];
  const text = (index) => (index < 0 ? "" : data.texts[index]);
  const why = text(data.record.why[record]), name = text(data.record.function[record]);
  if (kind === THROTTLE) {
    if (name) facts.push(["function", name]);
    facts.push(["meaning", "refused: no environment was free, and none could be added"]);
  }
  if (why) facts.push(["reason", why]);
  return { title: count > 1 ? `${MARK_WORDS[kind]}, ${count} times` : MARK_WORDS[kind], facts };
}

const describeCut = (cut) => ({
  title: `${duration(cut.ms)} of waiting`, facts: [["meaning", "nothing ran, so it is cut out"]],
});

const list = (facts) => element(
  "dl", {},
  ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
const spoken = ({ title, facts }) =>
  `${title}; ${facts.map(([term, text]) => `${term} ${text}`).join("; ")}`;

// ---------------------------------------------------------------- drawing

function hatchPattern(context, palette, ratio) {
  const tile = element("canvas", { width: 6 * ratio, height: 6 * ratio });
  const pen = tile.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = palette.init;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = "rgba(0, 0, 0, 0.55)";
  for (const shift of [-6, 0, 6]) {
    pen.beginPath();
    pen.moveTo(shift, 6);
    pen.lineTo(shift + 6, 0);
    pen.stroke();
  }
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}

// Boxes are [left, top, width, height, …].
function drawBoxes(context, kind, boxes, colours, hatch) {
  const fills = { [INVOKE]: colours.invoke, [INIT]: hatch };
  context.fillStyle = fills[kind] ?? colours.frozen;
  context.strokeStyle = colours.faint;
  context.lineWidth = 1;
  context.setLineDash(kind === GONE ? [3, 2] : []);
  for (let i = 0; i < boxes.length; i += 4) {
    const left = boxes[i], top = boxes[i + 1], width = boxes[i + 2], height = boxes[i + 3];
    if (isWork(kind)) context.fillRect(left, top, width, height);
    else if (kind === FROZEN) context.fillRect(left, top + height * 0.3, width, height * 0.4);
    else if (kind === GONE) {
      context.strokeRect(left + 0.5, top + 0.5, Math.max(width - 1, 0.5), height - 1);
    } else {  // provisioned: as tall as what runs, with a firm upper edge, because it is paid for
      context.fillRect(left, top + height * 0.15, width, height * 0.7);
      context.fillStyle = colours.ink;
      context.fillRect(left, top + height * 0.15, width, 1.5);
      context.fillStyle = colours.frozen;
    }
  }
  context.setLineDash([]);
}

function drawMark(context, kind, x, y, size, colours) {
  context.lineWidth = 1.25;
  context.fillStyle = colours.error;
  context.strokeStyle = colours.ink;
  context.beginPath();
  if (kind === END) {
    context.fillStyle = colours.ink;
    context.fillRect(x - 1, y - size - 2, 2, 2 * size + 4);
  } else if (kind === THROTTLE) {
    context.strokeStyle = colours.throttled;
    context.lineWidth = 2.5;
    context.moveTo(x - size, y - size);
    context.lineTo(x + size, y + size);
    context.moveTo(x + size, y - size);
    context.lineTo(x - size, y + size);
    context.stroke();
  } else if (kind === ERROR) {
    context.moveTo(x, y - size);
    context.lineTo(x + size, y + size * 0.8);
    context.lineTo(x - size, y + size * 0.8);
    context.closePath();
    context.fill();
    context.stroke();
  } else {  // a clock: its time was up
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.strokeStyle = "#24292f";
    context.beginPath();
    context.moveTo(x, y - size * 0.7);
    context.lineTo(x, y);
    context.lineTo(x + size * 0.55, y);
    context.stroke();
  }
}

class Picture {
  constructor(canvas, stage, model) {
    Object.assign(this, {
      canvas, stage, model, toScale: false,
      from: 0, to: 1, extra: 0, scroll: 0,   // `extra`: ms drawn beyond the last event
      head: null,                            // the playhead's time; null: at the end
      selected: -1, hovered: -1,
    });
    this.context = canvas.getContext("2d");
    this.readColours();
    this.setData();
  }

  // Takes what the kernel has sent. The window stays on its times, or at the end if it was there.
  setData() {
    const { axis: oldAxis, data: oldData, length: oldLength } = this;
    const isAtEnd = !oldAxis || this.to >= oldLength * 0.9999;
    const isAll = isAtEnd && this.from <= oldLength * 1e-9;
    const kept = oldAxis && [oldAxis.time(this.from), oldAxis.time(this.to)];
    this.data = unpack(this.model.get("_data"));
    this.axis = makeAxis(this.data, this.toScale);
    this.extra = 0;
    const places = (times) => Float64Array.from(times, this.axis.place);
    this.x0 = places(this.data.bar.start);
    this.x1 = places(this.data.bar.end);
    this.markPlaces = places(this.data.mark.time);
    this.labelWidths = null;
    for (const name of ["selected", "hovered"]) this[name] = this.sameBar(oldData, this[name]);
    if (isAll) this.fit();
    else {
      const [from, to] = kept.map(this.axis.place);
      if (isAtEnd) this.setWindow(this.length - (to - from), this.length);
      else this.setWindow(from, to);
    }
  }

  // New data number bars anew: the bar that began when `bar` of the old data did.
  sameBar(oldData, bar) {
    if (bar < 0) return -1;
    const { data } = this, row = oldData.bar.row[bar], start = oldData.bar.start[bar];
    if (row >= data.rows.length) return -1;
    const found = lowerBound(data.bar.start, start, data.firstBar[row], data.firstBar[row + 1]);
    return found < data.firstBar[row + 1] && data.bar.start[found] === start ? found : -1;
  }

  // What goes on has gone on for so many ms since the last event.
  grow(extra) {
    const isAtEnd = this.to >= this.length * 0.9999, width = this.to - this.from;
    const isAll = isAtEnd && this.from <= this.length * 1e-9;
    this.extra = extra;
    for (const bar of this.data.goingOn) {
      this.x1[bar] = this.axis.length + extra;
      this.data.bar.end[bar] = this.data.end + extra;
    }
    if (isAll) this.fit();
    else if (isAtEnd) this.setWindow(this.length - width, this.length);
  }

  get length() { return (this.axis && this.axis.length + this.extra) || 1; }
  get lanes() { return this.data.rows.length + (this.data.hasThrottles ? 1 : 0); }
  get headPlace() { return this.head === null ? this.length : this.axis.place(this.head); }
  get plotWidth() { return this.width - this.labels - RIGHT; }
  get barHeight() { return this.rowHeight - Math.max(2, Math.round(this.rowHeight * 0.3)); }
  get isScrolled() { return this.lanes * this.rowHeight > this.areaHeight; }

  fit() { this.setWindow(0, this.length); }
  setWindow(from, to) {
    const width = clamp(to - from, this.length * 1e-6, this.length);
    this.from = clamp(from, 0, this.length - width);
    this.to = this.from + width;
  }
  zoom(factor, place = (this.from + this.to) / 2) {
    this.setWindow(place - (place - this.from) * factor, place + (this.to - place) * factor);
  }
  pan(places) { this.setWindow(this.from + places, this.to + places); }

  layout() {
    const lanes = Math.max(this.lanes, 1);
    this.rowHeight = clamp(Math.floor(STAGE_MAX / lanes), ROW_MIN, ROW_MAX);
    this.areaHeight = Math.min(lanes * this.rowHeight, STAGE_MAX);
    this.height = TOP + this.areaHeight + AXIS;
    this.canvas.nextSibling.style.height = `${lanes * this.rowHeight - this.areaHeight}px`;
    this.stage.style.height = `${this.height}px`;
    this.width = this.stage.clientWidth || this.width || 600;
    this.scroll = this.stage.scrollTop;
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.round(this.width * ratio), high = Math.round(this.height * ratio);
    if (this.canvas.width !== wide || this.canvas.height !== high || this.ratio !== ratio) {
      Object.assign(this.canvas, { width: wide, height: high });
      this.canvas.style.height = `${this.height}px`;
      Object.assign(this, { ratio, hatch: null, labelWidths: null });
    }
  }

  x(place) { return this.labels + ((place - this.from) / (this.to - this.from)) * this.plotWidth; }
  placeAt(x) { return this.from + ((x - this.labels) / this.plotWidth) * (this.to - this.from); }
  y(lane) { return TOP + lane * this.rowHeight - this.scroll; }

  readColours() {
    const style = getComputedStyle(this.stage), palette = this.model.get("_palette");
    const of = (name) => style.getPropertyValue(`--${name}`).trim() || palette[name];
    this.colours = {
      ...palette, ink: of("ink"), faint: of("faint"), rule: of("rule"), paper: of("paper"),
      font: style.fontFamily,
    };
    const probe = this.canvas.getContext("2d");
    probe.fillStyle = this.colours.paper;
    const [red, green, blue] = probe.fillStyle.match(/[0-9a-f]{2}/g).map((hex) => parseInt(hex, 16));
    // On a dark page light grey would outshine all that matters.
    this.isDark = red + green + blue < 384;
    if (this.isDark) this.colours.frozen = "#6b7177";
    Object.assign(this, { hatch: null, labelWidths: null });
  }

  paint() {
    const began = performance.now();
    this.layout();
    const { context, ratio } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.hatch ??= hatchPattern(context, this.colours, ratio);
    if (!this.labelWidths) this.measureLabels();
    context.font = `11px ${this.colours.font}`;
    this.drawTicks();
    const head = this.headPlace;
    this.drawLayer(this.from, Math.min(head, this.to), 1);
    if (this.head !== null) this.drawLayer(Math.max(head, this.from), this.to, GHOST);
    this.drawCuts();
    this.drawLabels();
    this.drawHead();
    this.paintMs = performance.now() - began;
  }

  visibleLanes() {
    const first = Math.floor(this.scroll / this.rowHeight);
    const stop = Math.ceil((this.scroll + this.areaHeight) / this.rowHeight);
    return [first, Math.min(stop, this.lanes)];
  }

  // Bars and marks between two places, nothing outside.
  drawLayer(from, to, alpha) {
    if (to < from) return;
    const { context } = this, slack = this.from > 0 ? 2 : 8;   // the first mark may stand over
    const left = from <= this.from ? this.labels - slack : this.x(from);
    const right = to >= this.to ? this.width : this.x(to);
    context.save();
    context.beginPath();
    context.rect(left, TOP - 2, right - left, this.areaHeight + 4);
    context.clip();
    context.globalAlpha = alpha;
    this.drawBars(from, to);
    this.drawOutlines();
    this.drawMarks(from, to);
    context.restore();
  }

  drawBars(from, to) {
    const { data, x0, x1, barHeight: height } = this;
    const scale = this.plotWidth / (this.to - this.from), boxes = [[], [], [], [], []];
    const [firstLane, lastLane] = this.visibleLanes();
    for (let row = firstLane; row < Math.min(lastLane, data.rows.length); row++) {
      const top = this.y(row) + (this.rowHeight - height) / 2, stop = data.firstBar[row + 1];
      const edges = [-1e9, -1e9, -1e9, -1e9, -1e9];
      for (let bar = lowerBound(x1, from, data.firstBar[row], stop); bar < stop && x0[bar] <= to; bar++) {
        const kind = data.bar.kind[bar];
        const left = Math.max(this.labels + (x0[bar] - this.from) * scale, -20);
        const right = Math.min(this.labels + (x1[bar] - this.from) * scale, this.width + 20);
        const width = Math.max(right - left, isWork(kind) ? WORK_MIN : 0.5);
        if (left + width <= edges[kind] + 0.5) continue;  // those pixels are painted already
        edges[kind] = left + width;
        boxes[kind].push(left, top, width, height);
      }
    }
    for (const kind of [FROZEN, PROVISIONED, GONE, INVOKE, INIT]) {
      drawBoxes(this.context, kind, boxes[kind], this.colours, this.hatch);
    }
  }

  boxOf(bar) {
    const left = this.x(this.x0[bar]), least = isWork(this.data.bar.kind[bar]) ? WORK_MIN : 0.5;
    return {
      x: left, y: this.y(this.data.bar.row[bar]) + (this.rowHeight - this.barHeight) / 2,
      width: Math.max(this.x(this.x1[bar]) - left, least), height: this.barHeight,
    };
  }

  drawMarks(from, to) {
    const { data, markPlaces, context, colours } = this;
    const size = clamp(this.rowHeight * 0.27, 3, 6), [firstLane, lastLane] = this.visibleLanes();
    for (let lane = firstLane; lane < lastLane; lane++) {
      const stop = data.firstMark[lane + 1], y = this.y(lane) + this.rowHeight / 2;
      let painted = -1e9;
      for (let mark = lowerBound(markPlaces, from, data.firstMark[lane], stop); mark < stop; mark++) {
        if (markPlaces[mark] > to) break;
        const x = this.x(markPlaces[mark]), isSame = data.mark.kind[mark] === data.mark.kind[mark - 1];
        if (isSame && x - painted < 2) continue;
        drawMark(context, data.mark.kind[mark], x, y, size, colours);
        painted = x;
      }
    }
  }

  drawOutlines() {
    const { context } = this;
    for (const [bar, line] of [[this.hovered, 1.25], [this.selected, 2]]) {
      if (bar < 0) continue;
      const box = this.boxOf(bar);
      for (const [colour, width] of [[this.colours.paper, line + 2], [this.colours.ink, line]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.strokeRect(box.x - 2, box.y - 2, box.width + 4, box.height + 4);
      }
    }
  }

  // Cut waiting takes room on the axis but is no drawn time: ticks count the drawn time only.
  drawTicks() {
    const { context, colours, axis } = this, bottom = TOP + this.areaHeight;
    const most = this.plotWidth / 90 / (this.to - this.from);
    const drawn = Math.max(axis.drawn(this.to) - axis.drawn(this.from), 1e-3);
    const { unit, unitMs, step, digits } = tickStep(drawn, Math.max(most * drawn, 1.5));
    Object.assign(context, { textAlign: "center", textBaseline: "top", lineWidth: 1 });
    context.strokeStyle = colours.rule;
    context.fillStyle = colours.faint;
    let taken = -Infinity;
    const first = Math.max(Math.ceil(axis.drawn(this.from) / unitMs / step - 1e-9), 0);
    const stop = axis.drawn(this.to) + 1e-9;
    for (let i = first; i * step * unitMs <= stop; i++) {
      const place = Math.max(axis.placeOfDrawn(i * step * unitMs), this.from);
      const x = Math.round(this.x(place)) + 0.5;
      if (x > this.width - RIGHT + 1) break;
      context.beginPath();
      context.moveTo(x, TOP - 2);
      context.lineTo(x, bottom + 4);
      context.stroke();
      const text = number(i * step, digits), half = context.measureText(text).width / 2;
      if (x - half < taken + 8 || x + half > this.width) continue;
      context.fillText(text, x, bottom + 7);
      taken = x + half;
    }
    const long = `time (${unit}), without the waiting that is cut out`;
    const fits = context.measureText(long).width < this.plotWidth - 8;
    context.fillText(axis.cuts.length && fits ? long : `time (${unit})`,
      this.labels + this.plotWidth / 2, bottom + 22);
  }

  drawCuts() {
    const { context, colours, axis } = this, high = this.areaHeight + 6, taken = [];
    Object.assign(context, { textAlign: "center", textBaseline: "bottom" });
    const shown = axis.cuts.filter((cut) => cut.to > this.from && cut.from < this.to)
      .map((cut) => ({ ...cut, x: this.x((cut.from + cut.to) / 2) }))
      .filter((cut) => cut.x >= this.labels && cut.x <= this.width - 4);
    for (const cut of shown) {
      const half = clamp((this.x(cut.to) - this.x(cut.from)) / 8, 1, 3);
      context.fillStyle = colours.paper;
      context.fillRect(cut.x - half, TOP - 3, 2 * half, high);
      context.fillStyle = colours.faint;
      context.fillRect(cut.x - half - 1, TOP - 3, 1, high);
      context.fillRect(cut.x + half, TOP - 3, 1, high);
    }
    // Where there is no room for all lengths, the longest are told; the others on hovering.
    for (const cut of shown.sort((a, b) => b.ms - a.ms)) {
      const text = duration(cut.ms), half = context.measureText(text).width / 2;
      const x = clamp(cut.x, this.labels + half, this.width - half);
      if (taken.some(([from, to]) => x - half < to + 8 && x + half > from - 8)) continue;
      context.fillText(text, x, TOP - 5);
      taken.push([x - half, x + half]);
    }
  }

  // Names of the rows, short where the picture is narrow; the number is never cut off.
  measureLabels() {
    const { context, data } = this, isNarrow = this.width < 560, several = data.functions > 1;
    const most = isNarrow ? 76 : 150;
    this.labelFont = `${Math.min(11, this.rowHeight - 1)}px ${this.colours.font}`;
    context.font = this.labelFont;
    const fitted = new Map();
    const fit = (name, room) => {
      let text = name;
      while (text.length > 1 && context.measureText(text).width > room) {
        text = `${text.replace(/…$/, "").slice(0, -1)}…`;
      }
      fitted.set(name, text);
      return text;
    };
    this.names = data.rows.map(([name, ordinal]) => {
      if (!several) return isNarrow ? String(ordinal) : `environment ${ordinal}`;
      return `${fitted.get(name) ?? fit(name, most - 36)} ${ordinal}`;
    });
    if (data.hasThrottles) this.names.push(isNarrow && !several ? "✕" : "throttled");
    this.labelWidths = this.names.map((name) => context.measureText(name).width);
    this.labels = Math.ceil(this.labelWidths.reduce((a, b) => Math.max(a, b), 8)) + 14;
  }

  drawLabels() {
    const { context } = this, [first, stop] = this.visibleLanes();
    context.save();
    context.beginPath();
    context.rect(0, TOP, this.labels, this.areaHeight);
    context.clip();
    Object.assign(context, { textAlign: "right", textBaseline: "middle", font: this.labelFont });
    context.fillStyle = this.colours.ink;
    for (let lane = first; lane < stop; lane++) {
      context.fillText(this.names[lane], this.labels - 9, this.y(lane) + this.rowHeight / 2);
    }
    context.restore();
  }

  drawHead() {
    if (this.head === null) return;
    const { context } = this, x = this.x(this.headPlace);
    if (x < this.labels - 1 || x > this.width) return;
    context.fillStyle = this.colours.ink;
    context.fillRect(x - 0.75, TOP - 6, 1.5, this.areaHeight + 10);
    context.beginPath();
    context.moveTo(x - 6, TOP - 10);
    context.lineTo(x + 6, TOP - 10);
    context.lineTo(x, TOP - 1);
    context.fill();
  }

  // What is under a point: {bar}, {mark, count} or {cut}; marks lie above bars.
  hit(x, y) {
    const { data } = this;
    if (x < this.labels - HIT - 2 || y < 0 || y > TOP + this.areaHeight) return null;
    const cut = this.axis.cuts.find(({ from, to }) => Math.abs(this.x((from + to) / 2) - x) <= HIT);
    if (y < TOP) return cut ? { cut } : null;
    const lane = Math.floor((y - TOP + this.scroll) / this.rowHeight);
    if (lane >= this.lanes) return cut ? { cut } : null;
    return this.hitMark(lane, x) ?? (cut ? { cut } : this.hitBar(lane, x));
  }

  hitMark(lane, x) {
    const { data, markPlaces } = this, stop = data.firstMark[lane + 1], head = this.headPlace;
    const reach = Math.min(this.placeAt(x + HIT + 2), head);
    const first = lowerBound(markPlaces, this.placeAt(x - HIT - 2), data.firstMark[lane], stop);
    let mark = -1, count = 0;
    for (let at = first; at < stop && markPlaces[at] <= reach; at++) { mark = at; count++; }
    if (mark < 0) return null;
    if (data.mark.kind[mark] >= END) return { mark, count };
    return { bar: data.bar.record.indexOf(data.mark.record[mark]) };
  }

  hitBar(lane, x) {
    const { data, x0, x1 } = this;
    if (lane >= data.rows.length) return null;
    const stop = data.firstBar[lane + 1], reach = Math.min(this.placeAt(x + HIT), this.headPlace);
    const first = data.firstBar[lane];
    // One before, because a short bar is drawn wider than it is.
    let bar = Math.max(lowerBound(x1, this.placeAt(x - HIT), first, stop) - 1, first);
    let best = -1, nearest = HIT + 0.01;
    for (; bar < stop && x0[bar] <= reach; bar++) {
      const box = this.boxOf(bar), distance = Math.max(box.x - x, x - box.x - box.width, 0);
      const beats = distance < nearest ||
        (distance === nearest && isWork(data.bar.kind[bar]) && !isWork(data.bar.kind[best]));
      if (beats) { best = bar; nearest = distance; }
    }
    return best < 0 ? null : { bar: best };
  }

  // The next init or invocation of the selected bar's row; of the first row if none is selected.
  neighbour(step) {
    const { data, selected } = this;
    const row = selected < 0 ? 0 : data.bar.row[selected];
    if (row >= data.rows.length) return -1;
    const first = data.firstBar[row], stop = data.firstBar[row + 1];
    let bar = selected < 0 ? (step > 0 ? first - 1 : stop) : selected;
    do bar += step; while (bar >= first && bar < stop && !isWork(data.bar.kind[bar]));
    return bar >= first && bar < stop ? bar : selected;
  }

  // The one in the next row that began nearest to it.
  neighbourRow(step) {
    const { data, selected, x0 } = this;
    if (selected < 0) return this.neighbour(1);
    const row = data.bar.row[selected] + step;
    if (row < 0 || row >= data.rows.length) return selected;
    let best = selected, distance = Infinity;
    for (let bar = data.firstBar[row]; bar < data.firstBar[row + 1]; bar++) {
      const away = Math.abs(x0[bar] - x0[selected]);
      if (isWork(data.bar.kind[bar]) && away < distance) { best = bar; distance = away; }
    }
    return best;
  }

  // Brings a bar into the window.
  show(bar) {
    const middle = (this.x0[bar] + this.x1[bar]) / 2, width = this.to - this.from;
    if (middle < this.from || middle > this.to) this.setWindow(middle - width / 2, middle + width / 2);
    const top = this.data.bar.row[bar] * this.rowHeight;
    this.stage.scrollTop = clamp(this.stage.scrollTop, top + this.rowHeight - this.areaHeight, top);
  }

  // The next time after (step 1) or before (step -1) the head at which something begins or ends.
  nextEvent(step) {
    const { bar, mark, end } = this.data, here = this.head ?? (step > 0 ? Infinity : end);
    let found = step > 0 ? Infinity : -Infinity;
    const offer = (time) => {
      if (step > 0 ? time > here && time < found : time < here && time > found) found = time;
    };
    for (let i = 0; i < this.data.count; i++) {
      if (isWork(bar.kind[i])) { offer(bar.start[i]); offer(bar.end[i]); }
    }
    mark.time.forEach(offer);
    return step > 0 ? found : Math.max(found, 0);
  }

  // How many environments are at work where the head is.
  running() {
    const { data, x0, x1 } = this, head = this.headPlace;
    if (this.head === null) {
      return data.goingOn.reduce((sum, bar) => sum + isWork(data.bar.kind[bar]), 0);
    }
    let count = 0;
    for (let row = 0; row < data.rows.length; row++) {
      const stop = data.firstBar[row + 1], bar = lowerBound(x1, head, data.firstBar[row], stop);
      count += bar < stop && x0[bar] <= head && isWork(data.bar.kind[bar]);
    }
    return count;
  }
}

// ---------------------------------------------------------------- the widget's parts

const ICONS = {
  play: "M4 2l10 6-10 6z", pause: "M3 2h4v12H3zM9 2h4v12H9z", start: "M2 2h2v12H2zM14 2v12L5 8z",
  back: "M11 2v12L3 8zM12 2h2v12h-2z", next: "M5 2v12l8-6zM2 2h2v12H2z",
};

function icon(name) {
  const [svg, path] = ["svg", "path"].map((tag) =>
    document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function button(label, content) {
  return element("button", { type: "button", "aria-label": label, title: label }, content);
}

function range(label, low, high, step, value, name) {
  return element("input", {
    type: "range", "aria-label": label, min: low, max: high, step, value,
    class: `labkit-timeline-${name}`,
  });
}

function legendItem(picture, kind, isMark) {
  const canvas = element("canvas", { width: 36, height: 28, "aria-hidden": "true" });
  const context = canvas.getContext("2d"), { colours } = picture;
  context.scale(2, 2);
  if (isMark) drawMark(context, kind, 9, 7, 5, colours);
  else drawBoxes(context, kind, [1, 1.5, 16, 11], colours, hatchPattern(context, colours, 2));
  return element("li", {}, canvas, isMark ? MARK_WORDS[kind] : BAR_WORDS[kind]);
}

// The phases of an invocation, to scale.
function phaseBar(phases) {
  const all = phases.reduce((sum, [, ms]) => sum + ms, 0);
  const parts = phases.map(([name, ms]) => {
    const isRoom = ms > 0.22 * all;   // for its name; the list below has it in any case
    const part = element("span", { class: `is-${name}` });
    if (isRoom) part.append(element("i", {}, `${name} ${duration(ms)}`));
    part.style.flexGrow = Math.max(ms, 0.001);
    return part;
  });
  return element("div", { class: "labkit-timeline-phases" }, ...parts);
}

function makeParts() {
  const parts = {
    play: button("play", icon("play")), back: button("previous event", icon("back")),
    next: button("next event", icon("next")), start: button("back to the start", icon("start")),
    scrub: range("time: drag back to see what had happened until then", 0, 1000, 1, 1000, "scrub"),
    speed: range("speed of play, logarithmic", -2, 3, 0.1, 0, "speed"),
    clock: element("span", { class: "labkit-timeline-words labkit-timeline-clock" }),
    live: button("to the end, and follow", "live"),
    factor: element("span", { class: "labkit-timeline-words" }),
    plus: button("zoom in", "+"), minus: button("zoom out", "−"), fit: button("show everything", "fit"),
    toScale: element("input", { type: "checkbox" }),
    canvas: element("canvas", { tabindex: 0, role: "application" }),
    tip: element("div", { class: "labkit-timeline-tip", role: "tooltip", hidden: "" }),
    legend: element("ul", { class: "labkit-timeline-legend", "aria-label": "what the marks mean" }),
    note: element("p", { class: "labkit-timeline-words labkit-timeline-note" }),
    panel: element("section", { class: "labkit-timeline-record", "aria-label": "record", hidden: "" }),
    said: element("div", { class: "labkit-timeline-spoken", "aria-live": "polite" }),
  };
  const row = (...nodes) => element("div", { class: "labkit-timeline-bar" }, ...nodes);
  parts.stage = element("div", { class: "labkit-timeline-stage" }, parts.canvas, element("div"));
  parts.root = element(
    "div", {
      class: "labkit-timeline", role: "group", "data-rev": 0,
      "aria-label": "timeline of execution environments",
    },
    row(parts.start, parts.back, parts.play, parts.next, parts.scrub, parts.clock, parts.live),
    parts.stage, parts.note, parts.legend,
    row(
      parts.minus, parts.plus, parts.fit,
      element("label", {}, parts.toScale, "to scale"),
      element("label", {}, "speed", parts.speed), parts.factor,
    ),
    parts.panel, parts.tip, parts.said,
  );
  return parts;
}

// ---------------------------------------------------------------- the widget

function render({ model, el }) {
  const parts = makeParts(), { root, canvas, stage, tip, panel } = parts;
  el.append(root);
  const picture = new Picture(canvas, stage, model);
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let playing = 0, frame = 0, growing = 0, opened = "", patience = 0;
  let received = performance.now(), isSpeedChosen = false;
  const hasLab = model.get("_is_live");
  const pointers = new Map();       // id → [x, y] of each finger or button that is down
  let drag = null;                  // {mode: "scrub" | "pan", x, y, moved}

  const factor = () => 10 ** Number(parts.speed.value);
  const draw = () => { frame ||= requestAnimationFrame(() => { frame = 0; paint(); }); };

  // ---- painting

  function paint() {
    picture.paint();
    const { data, axis, head } = picture, running = picture.running();
    const now = duration(axis.time(picture.headPlace)), work = running ? ` · ${running} running` : "";
    showPlay(playing ? "pause" : "play");
    parts.scrub.value = Math.round((1000 * picture.headPlace) / picture.length);
    parts.scrub.setAttribute("aria-valuetext", `${now} after the start${work}`);
    parts.clock.textContent = now + work;
    parts.live.textContent = model.get("_is_live") ? "live" : "end";
    parts.live.setAttribute("aria-pressed", head === null);
    parts.factor.textContent = `${number(Number(factor().toPrecision(2)))}×`;
    parts.speed.setAttribute("aria-valuetext", `${parts.factor.textContent} real time`);
    Object.assign(root.dataset, {
      bars: data.count, marks: data.mark.time.length, rows: data.rows.length,
      invocations: data.invocations, running, selected: picture.selected,
      head: head === null ? "end" : head.toFixed(3), playing: Boolean(playing),
      zoom: (picture.length / (picture.to - picture.from)).toFixed(3),
      paintMs: picture.paintMs.toFixed(2), rev: Number(root.dataset.rev) + 1,
    });
  }

  function showPlay(word) {
    if (parts.play.title === word) return;  // a button that changes under a click loses it
    parts.play.replaceChildren(icon(word));
    parts.play.title = word;
    parts.play.setAttribute("aria-label", word);
  }

  // What changes with the data alone.
  function paintWords() {
    const { data } = picture, kinds = new Set(data.bar.kind), marks = new Set(data.mark.kind);
    const items = (wanted, there, isMark) =>
      wanted.filter((kind) => there.has(kind)).map((kind) => legendItem(picture, kind, isMark));
    parts.legend.replaceChildren(
      ...items([INIT, INVOKE, FROZEN, PROVISIONED, GONE], kinds, false),
      ...items([ERROR, TIMEOUT, THROTTLE, END], marks, true));
    const isMany = picture.lanes * ROW_MIN > STAGE_MAX;
    parts.note.hidden = picture.lanes > 0 && !isMany;
    parts.note.textContent = isMany
      ? `${plural(data.rows.length, "environment")}: scroll in the picture to see all.`
      : "Nothing has happened yet: invoke a function, and it appears here.";
    canvas.setAttribute("aria-label",
      `${plural(data.rows.length, "environment")}, ${plural(data.invocations, "invocation")}. ` +
      "Arrow keys go from invocation to invocation, plus and minus zoom, space plays, " +
      "Enter opens the record.");
  }

  // While something runs in a live lab, its bar grows with the clock.
  function keepGrowing() {
    cancelAnimationFrame(growing);
    const { data } = picture;
    const runs = data.goingOn.some((bar) => isWork(data.bar.kind[bar]));
    if (!runs || !model.get("_is_live") || still.matches) return;
    growing = requestAnimationFrame(() => {
      const extra = performance.now() - received;
      if (extra > RUN_MAX_MS) return;
      if (picture.head === null) { picture.grow(extra); paint(); }
      keepGrowing();
    });
  }

  // ---- playing

  function pause() { cancelAnimationFrame(playing); playing = 0; }
  function tick(before) {
    playing = requestAnimationFrame((now) => {
      const place = picture.headPlace + factor() * Math.max(now - before, 0);
      picture.head = picture.axis.time(place);
      const width = picture.to - picture.from;
      if (place > picture.to || place < picture.from) picture.setWindow(place - width * 0.1, place + width * 0.9);
      if (place >= picture.length) { picture.head = null; playing = 0; } else tick(now);
      paint();
    });
  }
  // Along the drawn axis, so waiting that is cut out passes quickly.
  function play() {
    if (picture.head === null) picture.head = 0;
    if (!isSpeedChosen) parts.speed.value = clamp(Math.log10(picture.length / 8000), 0, 3);
    tick(performance.now());
  }
  function togglePlay() {
    if (playing) pause(); else play();
    draw();
  }
  function moveHead(time) {
    pause();
    picture.head = picture.axis.place(time) >= picture.length ? null : Math.max(time, 0);
    draw();
  }
  const toPlace = (place) => moveHead(place >= picture.length ? Infinity : picture.axis.time(place));

  // ---- records

  function closeRecord() {
    panel.hidden = true;
    opened = "";
    picture.selected = -1;
    delete root.dataset.opened;
    draw();
  }
  function select(bar) {
    picture.selected = bar;
    if (bar >= 0) {
      picture.show(bar);
      if (picture.x0[bar] > picture.headPlace) picture.head = null;
      parts.said.textContent = spoken(describe(picture.data, bar, model.get("_prices")));
    }
    draw();
  }
  function open(bar) {
    select(bar);
    const told = describe(picture.data, bar, model.get("_prices"));
    const close = button("close the record", "✕");
    close.addEventListener("click", () => { closeRecord(); canvas.focus(); });
    panel.replaceChildren(close, element("b", {}, told.title), list(told.facts));
    if (told.phases.length) panel.insertBefore(phaseBar(told.phases), panel.lastChild);
    opened = told.id;
    if (opened && hasLab) askForLog(bar);
    panel.hidden = false;
    root.dataset.opened = opened || told.title;
  }
  function askForLog(bar) {
    const log = element("pre", { tabindex: 0, "aria-label": "log lines" }, "…");
    panel.append(log);
    if (!model.get("_is_live")) {
      log.textContent = "The lab has been stopped, and its log is gone.";
      return;
    }
    clearTimeout(patience);
    patience = setTimeout(() => {
      if (log.textContent === "…") {
        log.textContent = "The kernel reads the log, and has not answered: it is busy, or gone.";
      }
    }, 3000);
    const [name] = picture.data.rows[picture.data.bar.row[bar]];
    try { model.send({ type: "log", function: name, request_id: opened }); }
    catch { log.textContent = "The kernel reads the log, and there is none."; }
  }
  function heard(message) {
    if (message.type !== "log" || !opened || message.request_id !== opened) return;
    panel.querySelector("pre").textContent =
      message.lines.join("\n") || "This invocation has written no log lines.";
  }

  // ---- the pointer

  function pointAt(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  function showTip(told, x, y) {
    tip.replaceChildren(element("b", {}, told.title), list(told.facts));
    tip.hidden = false;
    // Beside the pointer and inside the widget: what hangs out of it would be cut off by the cell.
    const { offsetWidth: width, offsetHeight: height } = tip;
    const left = stage.offsetLeft + x, top = stage.offsetTop + y;
    const isRoomRight = left + 14 + width <= root.clientWidth - 2;
    tip.style.left = `${isRoomRight ? left + 14 : Math.max(left - 14 - width, 2)}px`;
    tip.style.top = `${clamp(top - height / 2, 2, Math.max(root.clientHeight - height - 2, 2))}px`;
  }
  function hideTip() {
    tip.hidden = true;
    if (picture.hovered >= 0) { picture.hovered = -1; draw(); }
  }
  function hover(x, y) {
    const found = picture.hit(x, y), { data } = picture;
    canvas.classList.toggle("is-over", found?.bar >= 0);
    canvas.classList.toggle("is-time", isTimeStrip(y));
    if (!found) { hideTip(); return; }
    const bar = found.bar ?? -1;
    if (bar >= 0) showTip(describe(data, bar, model.get("_prices")), x, y);
    else showTip(found.cut ? describeCut(found.cut) : describeMark(data, found.mark, found.count), x, y);
    if (bar !== picture.hovered) { picture.hovered = bar; draw(); }
  }
  // Above and below the rows one drags the playhead.
  const isTimeStrip = (y) => y < TOP || y > TOP + picture.areaHeight;

  function pinch(event) {
    const [a, b] = [...pointers.values()], before = Math.abs(a[0] - b[0]);
    const middle = (a[0] + b[0]) / 2;
    pointers.set(event.pointerId, pointAt(event));
    const [c, d] = [...pointers.values()], after = Math.abs(c[0] - d[0]);
    const place = picture.placeAt(middle);
    picture.zoom(clamp(before / Math.max(after, 1), 0.5, 2), place);
    picture.pan(place - picture.placeAt((c[0] + d[0]) / 2));
    draw();
  }
  function dragTo(x, y) {
    if (drag.mode === "scrub") { toPlace(picture.placeAt(x)); return; }
    drag.moved ||= Math.hypot(x - drag.startX, y - drag.startY) > 3;
    if (!drag.moved) return;
    picture.pan(picture.placeAt(drag.x) - picture.placeAt(x));
    stage.scrollTop += drag.y - y;
    Object.assign(drag, { x, y });
    canvas.classList.add("is-dragged");
    hideTip();
    draw();
  }
  function endDrag(event) {
    pointers.delete(event.pointerId);
    const ended = drag;
    drag = null;
    canvas.classList.remove("is-dragged");
    return ended;
  }

  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = pointAt(event);
    if (pointers.size === 2 && pointers.has(event.pointerId)) pinch(event);
    else if (drag) dragTo(x, y);
    else hover(x, y);
  });
  canvas.addEventListener("pointerleave", hideTip);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [x, y] = pointAt(event);
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [x, y]);
    drag = { mode: isTimeStrip(y) ? "scrub" : "pan", x, y, startX: x, startY: y, moved: false };
    if (drag.mode === "scrub") dragTo(x, y);
    if (pointers.size > 1) drag.moved = true;
  });
  canvas.addEventListener("pointerup", (event) => {
    const ended = endDrag(event);
    if (!ended || ended.moved || ended.mode === "scrub") return;
    const found = picture.hit(...pointAt(event));
    if (found?.bar >= 0) open(found.bar);
  });
  canvas.addEventListener("pointercancel", endDrag);
  canvas.addEventListener("dblclick", () => { picture.fit(); draw(); });
  canvas.addEventListener("wheel", (event) => {
    const [x] = pointAt(event);
    if (event.ctrlKey || event.metaKey) {
      picture.zoom(Math.exp(clamp(event.deltaY, -100, 100) * 0.005), picture.placeAt(x));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      picture.pan(((picture.to - picture.from) * event.deltaX) / picture.plotWidth);
    } else return;  // the rows, then the page, scroll as ever
    event.preventDefault();
    draw();
  }, { passive: false });
  stage.addEventListener("scroll", () => { hideTip(); draw(); });

  // ---- keys and controls

  const zoomBy = (by, place) => { picture.zoom(by, place); draw(); };
  const fitAll = () => { picture.fit(); draw(); };
  const zoomIn = () => zoomBy(ZOOM, picture.selected < 0 ? undefined : picture.x0[picture.selected]);
  const zoomOut = () => zoomBy(1 / ZOOM);
  const keys = {
    ArrowRight: () => select(picture.neighbour(1)), ArrowLeft: () => select(picture.neighbour(-1)),
    ArrowDown: () => select(picture.neighbourRow(1)), ArrowUp: () => select(picture.neighbourRow(-1)),
    "+": zoomIn, "=": zoomIn, "-": zoomOut, "0": fitAll, " ": togglePlay,
    Home: () => moveHead(0), End: () => moveHead(Infinity),
    ",": () => moveHead(picture.nextEvent(-1)), ".": () => moveHead(picture.nextEvent(1)),
    Enter: () => { if (picture.selected >= 0) open(picture.selected); }, Escape: closeRecord,
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { closeRecord(); canvas.focus(); }
  });
  // Keys that are meant for a control here are no commands to the notebook; Shift+Enter still is.
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey) event.stopPropagation();
  });
  const clicks = {
    play: togglePlay, start: keys.Home, back: keys[","], next: keys["."], live: keys.End,
    plus: zoomIn, minus: zoomOut, fit: fitAll,
  };
  for (const [name, act] of Object.entries(clicks)) parts[name].addEventListener("click", act);
  parts.scrub.addEventListener("input", () => toPlace((parts.scrub.value / 1000) * picture.length));
  parts.speed.addEventListener("input", () => { isSpeedChosen = true; draw(); });
  parts.toScale.addEventListener("change", () => {
    picture.toScale = parts.toScale.checked;
    picture.setData();
    draw();
  });

  // ---- what comes from outside

  function changed() {
    received = performance.now();
    picture.setData();
    paintWords();
    keepGrowing();
    draw();
  }
  function repaint() {
    picture.readColours();
    root.style.colorScheme = picture.isDark ? "dark" : "light";
    paintWords();
    draw();
  }
  model.on("change:_data", changed);
  model.on("change:_is_live", draw);
  model.on("msg:custom", heard);
  const sizes = new ResizeObserver(draw);
  sizes.observe(root);
  const themes = new MutationObserver(repaint);
  themes.observe(document.body, {
    attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"],
  });
  repaint();
  paint();
  keepGrowing();
  const tell = (type) => { try { model.send({ type }); } catch { /* without a kernel */ } };
  tell("seen");
  // For tests and the console: the picture, and where a bar is on the page.
  root.labkit = {
    picture, paint,
    barBox(bar) {
      const box = picture.boxOf(bar), at = canvas.getBoundingClientRect();
      return { x: at.x + box.x, y: at.y + box.y, width: box.width, height: box.height };
    },
  };
  return () => {
    tell("gone");
    model.off("change:_data", changed);
    model.off("change:_is_live", draw);
    model.off("msg:custom", heard);
    sizes.disconnect();
    themes.disconnect();
    clearTimeout(patience);
    for (const request of [frame, playing, growing]) cancelAnimationFrame(request);
  };
}

export default { render };
