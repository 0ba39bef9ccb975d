// The timeline of execution environments. Rows are environments, time runs to the right. The kernel
// sends columns of numbers (see timeline_columns.py); everything that is seen is made here.
//
// Times are ms after the first event. A `place` is where a time stands on the drawn axis, on which long
// waiting is cut short; the window shows the places from `from` to `to`.

const FROZEN = 0, GONE = 1, INVOKE = 2, INIT = 3;
const ERROR = 0, TIMEOUT = 1, END = 2, THROTTLE = 3;
const BAR_WORDS = ["frozen", "process gone", "invoke", "init"];
const MARK_WORDS = ["error", "timeout", "environment ended", "throttled"];
const OUTCOMES = ["success", "error", "timeout"];
const CUT = 0.07;            // waiting longer than this part of the busy time is cut down to it
const STAGE_MAX = 320, ROW_MIN = 10, ROW_MAX = 26, TOP = 20, AXIS = 36;
const PLAY_S = 6;            // at normal speed a playback takes so long at most
const HIT = 4;               // px around the pointer

// ---------------------------------------------------------------- small helpers

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 2 });

function duration(ms) {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
  if (ms < 60e3) return `${(ms / 1000).toFixed(ms < 10e3 ? 2 : 1)} s`;
  if (ms < 3600e3) return `${(ms / 60e3).toFixed(ms < 600e3 ? 1 : 0)} min`;
  return `${(ms / 3600e3).toFixed(1)} h`;
}

function usd(value) {
  if (!(value > 0)) return "$0";
  return "$" + value.toFixed(clamp(1 - Math.floor(Math.log10(value)), 2, 12));
}

// The first index in `values[low..high)` that is not below `value`.
function lowerBound(values, value, low, high) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// ---------------------------------------------------------------- the data

function typed(view, Type) {
  if (!view) return new Type(0);
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function unpack(data) {
  const { bars, marks, records } = data;
  const f64 = (view) => typed(view, Float64Array), f32 = (view) => typed(view, Float32Array);
  const i32 = (view) => typed(view, Int32Array), u32 = (view) => typed(view, Uint32Array), u8 = (view) => typed(view, Uint8Array);
  const it = {
    rows: data.rows, end: data.end_ms, errorTypes: data.error_types,
    bar: { start: f64(bars.start), end: f64(bars.end), row: u32(bars.row), kind: u8(bars.kind), record: i32(bars.record) },
    mark: { time: f64(marks.time), row: u32(marks.row), kind: u8(marks.kind), record: i32(marks.record) },
    record: {
      id: u8(records.id), duration: f32(records.duration_ms), init: f32(records.init_ms), billed: f32(records.billed_ms),
      memory: f32(records.memory_mb), used: f32(records.max_memory_mb), outcome: u8(records.outcome), errorType: typed(records.error_type, Int16Array),
    },
  };
  it.count = it.bar.start.length;
  it.first = new Uint32Array(it.rows.length + 1).fill(it.count);  // where each row's bars begin
  for (let bar = it.count - 1; bar >= 0; bar--) it.first[it.bar.row[bar]] = bar;
  it.hasThrottles = it.mark.kind.includes(THROTTLE);
  return it;
}

function requestId(data, record) {
  const hex = [...data.record.id.subarray(16 * record, 16 * record + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return /^0*$/.test(hex) ? "" : hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

// Stretches of time in which something happens, in order and apart.
function busyStretches(data) {
  const found = [[0, 0], [data.end, data.end]];
  const { start, end, kind } = data.bar;
  for (let bar = 0; bar < data.count; bar++) if (kind[bar] >= INVOKE) found.push([start[bar], end[bar]]);
  for (const time of data.mark.time) found.push([time, time]);
  found.sort((a, b) => a[0] - b[0]);
  const merged = [found[0].slice()];
  for (const [from, to] of found) {
    const last = merged[merged.length - 1];
    if (from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

// The axis: from a time to its place and back, and the cuts in it.
function makeAxis(data, toScale) {
  const times = [0], places = [0], cuts = [];
  if (!toScale) {
    const stretches = busyStretches(data);
    const busy = stretches.reduce((sum, [from, to]) => sum + to - from, 0) || 1;
    const width = CUT * busy;
    const add = (time, advance) => { places.push(places[places.length - 1] + advance); times.push(time); };
    for (let i = 0; i + 1 < stretches.length; i++) {
      const before = stretches[i][1], after = stretches[i + 1][0];
      if (after - before <= width) continue;
      add(before, before - times[times.length - 1]);
      cuts.push({ from: places[places.length - 1], ms: after - before });
      add(after, width);
      cuts[cuts.length - 1].to = places[places.length - 1];
    }
  }
  times.push(data.end);
  places.push(places[places.length - 1] + Math.max(data.end - times[times.length - 2], 0));
  const between = (value, keys, values) => {
    const i = clamp(lowerBound(keys, value, 0, keys.length), 1, keys.length - 1);
    const span = keys[i] - keys[i - 1];
    return values[i - 1] + (span ? (value - keys[i - 1]) / span : 0) * (values[i] - values[i - 1]);
  };
  return { length: places[places.length - 1] || 1, cuts, place: (time) => between(time, times, places), time: (place) => between(place, places, times) };
}

// ---------------------------------------------------------------- words

function describe(data, bar, prices) {
  const { start, end, row, kind, record: records } = data.bar;
  const [name, ordinal] = data.rows[row[bar]];
  const record = records[bar], known = data.record;
  const facts = [["environment", `${ordinal} of ${name}`], ["from", `${duration(start[bar])} after the start`], ["took", duration(end[bar] - start[bar])]];
  let title = BAR_WORDS[kind[bar]];
  if (record < 0) return { title: kind[bar] >= INVOKE ? `${title}, still running` : title, facts, record };
  const outcome = OUTCOMES[known.outcome[record]];
  const type = known.errorType[record] < 0 ? "" : data.errorTypes[known.errorType[record]];
  if (outcome !== "success") facts.push(["outcome", type ? `${outcome}: ${type}` : outcome]);
  if (kind[bar] === INVOKE) {
    const isCold = !Number.isNaN(known.init[record]);
    title += isCold ? ", after a cold start" : ", warm";
    facts[2] = ["duration", duration(known.duration[record])];
    if (isCold) facts.push(["init", duration(known.init[record])]);
    const billed = known.billed[record], memory = known.memory[record];
    if (!Number.isNaN(billed)) {
      const cost = prices.requests + ((billed / 1000) * memory / 1024) * prices.duration;
      facts.push(["billed", `${number(billed)} ms × ${number(memory)} MB`]);
      facts.push(["cost", `${usd(cost)} a call, $${(cost * 1e6).toFixed(2)} a million`]);
    }
    if (!Number.isNaN(known.used[record])) facts.push(["memory used", `${number(known.used[record])} of ${number(memory)} MB`]);
    const id = requestId(data, record);
    if (id) facts.push(["request id", id]);
  }
  return { title, facts, record };
}

function describeMark(data, mark) {
  const kind = data.mark.kind[mark];
  const facts = [["at", `${duration(data.mark.time[mark])} after the start`]];
  if (kind === THROTTLE) facts.push(["meaning", "refused: no environment was free and none could be added"]);
  return { title: MARK_WORDS[kind], facts, record: -1 };
}

const list = (facts) => element("dl", {}, ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
const spoken = ({ title, facts }) => `${title}; ${facts.map(([term, text]) => `${term} ${text}`).join("; ")}`;

// ---------------------------------------------------------------- drawing

function hatchPattern(context, palette, ratio) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6 * ratio;
  const pen = tile.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = palette.init;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = "rgba(0, 0, 0, 0.55)";
  pen.lineWidth = 1;
  for (const shift of [-6, 0, 6]) { pen.beginPath(); pen.moveTo(shift, 6); pen.lineTo(shift + 6, 0); pen.stroke(); }
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}

function drawMarkGlyph(context, kind, x, y, size, colours) {
  context.lineWidth = 1.5;
  if (kind === END) {
    context.fillStyle = colours.ink;
    context.fillRect(x - 1, y - size - 1, 2, 2 * size + 2);
  } else if (kind === THROTTLE) {
    context.strokeStyle = colours.throttled;
    context.lineWidth = 2.5;
    context.beginPath();
    context.moveTo(x - size, y - size); context.lineTo(x + size, y + size);
    context.moveTo(x + size, y - size); context.lineTo(x - size, y + size);
    context.stroke();
  } else {
    context.fillStyle = colours.error;
    context.strokeStyle = colours.ink;
    context.beginPath();
    context.moveTo(x, y - size); context.lineTo(x + size, y + size * 0.8); context.lineTo(x - size, y + size * 0.8);
    context.closePath();
    context.fill();
    context.stroke();
    if (kind === TIMEOUT) {  // a bar on top: the limit that it ran into
      context.fillStyle = colours.ink;
      context.fillRect(x - size, y - size - 3, 2 * size, 2);
    }
  }
}

// Numbers 1, 2 or 5 times a power of ten, about `count` of them up to `length`.
function tickStep(length, count) {
  const raw = length / Math.max(count, 1), power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].find((digit) => digit * power >= raw) * power;
}

class Picture {
  constructor(canvas, model, root) {
    Object.assign(this, { canvas, model, root, from: 0, to: 1, head: null, scroll: 0, selected: -1, hovered: -1, toScale: false });
    this.context = canvas.getContext("2d");
    this.setData();
  }

  setData() {
    const fits = !this.axis || (this.from <= 0 && this.to >= this.axis.length * 0.9999);
    const atEnd = this.axis && this.to >= this.axis.length * 0.9999;
    const width = this.to - this.from;
    this.data = unpack(this.model.get("_data"));
    this.axis = makeAxis(this.data, this.toScale);
    const { start, end } = this.data.bar;
    this.x0 = Float64Array.from(start, this.axis.place);
    this.x1 = Float64Array.from(end, this.axis.place);
    this.markPlaces = Float64Array.from(this.data.mark.time, this.axis.place);
    if (fits) this.fit();
    else if (atEnd) this.window(this.axis.length - width, this.axis.length);
    if (this.selected >= this.data.count) this.selected = -1;
  }

  fit() { this.from = 0; this.to = this.axis.length; }
  window(from, to) {
    const width = clamp(to - from, this.axis.length * 1e-6, this.axis.length);
    this.from = clamp(from, 0, this.axis.length - width);
    this.to = this.from + width;
  }
  zoom(factor, place = (this.from + this.to) / 2) {
    this.window(place - (place - this.from) * factor, place + (this.to - place) * factor);
  }

  get lanes() { return this.data.rows.length + (this.data.hasThrottles ? 1 : 0); }
  headPlace() { return this.head === null ? this.axis.length : this.head; }

  layout() {
    const width = Math.max(this.root.clientWidth - 22, 240), lanes = Math.max(this.lanes, 1);
    this.labels = width < 560 ? 34 : 112;
    this.rowHeight = clamp(Math.floor(STAGE_MAX / lanes), ROW_MIN, ROW_MAX);
    this.areaHeight = Math.min(lanes * this.rowHeight, STAGE_MAX);
    this.scroll = clamp(this.scroll, 0, lanes * this.rowHeight - this.areaHeight);
    this.width = width;
    this.height = TOP + this.areaHeight + AXIS;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(this.height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(this.height * ratio);
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${this.height}px`;
      this.hatch = null;
    }
    this.ratio = ratio;
  }
  x(place) { return this.labels + ((place - this.from) / (this.to - this.from)) * (this.width - this.labels - 8); }
  placeAt(x) { return this.from + ((x - this.labels) / (this.width - this.labels - 8)) * (this.to - this.from); }
  y(lane) { return TOP + lane * this.rowHeight - this.scroll; }

  readColours() {
    const style = getComputedStyle(this.root), read = (name) => style.getPropertyValue(name).trim();
    const palette = this.model.get("_palette");
    this.colours = { ...palette, ink: read("--ink") || palette.ink, faint: read("--faint") || palette.faint, rule: read("--rule") || palette.rule, page: read("--page") || palette.paper, font: style.fontFamily };
    const [red, green, blue] = (style.backgroundColor.match(/\d+/g) || [255, 255, 255]).map(Number);
    if (red + green + blue < 384) this.colours.frozen = "#6b7177";  // on a dark page light grey would outshine all
    this.hatch = null;
  }

  paint() {
    const began = performance.now();
    this.layout();
    if (!this.colours) this.readColours();
    const { context, ratio } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.hatch ??= hatchPattern(context, this.colours, ratio);
    context.font = `11px ${this.colours.font}`;
    this.drawAxis();
    const head = this.x(this.headPlace());
    const area = [this.labels - 4, TOP - 4, this.width - this.labels + 4, this.areaHeight + 8];
    const clipped = (left, right, alpha) => {
      if (right <= left) return;
      context.save();
      context.beginPath();
      context.rect(Math.max(left, area[0]), area[1], Math.min(right, area[0] + area[2]) - Math.max(left, area[0]), area[3]);
      context.clip();
      context.globalAlpha = alpha;
      this.drawBars();
      this.drawMarks();
      context.restore();
    };
    if (this.head === null) clipped(area[0], area[0] + area[2], 1);
    else { clipped(area[0], head, 1); clipped(head, area[0] + area[2], 0.16); }
    this.drawCuts();
    this.drawLabels();
    if (this.head !== null) this.drawHead(head);
    this.paintMs = performance.now() - began;
  }

  visibleLanes() {
    const first = Math.floor(this.scroll / this.rowHeight);
    return [first, Math.min(Math.ceil((this.scroll + this.areaHeight) / this.rowHeight), this.lanes)];
  }

  drawBars() {
    const { context, data, colours, x0, x1 } = this;
    const boxes = [[], [], [], []], scale = (this.width - this.labels - 8) / (this.to - this.from);
    const [firstLane, lastLane] = this.visibleLanes(), height = this.rowHeight - Math.max(2, this.rowHeight * 0.3);
    const lastRow = Math.min(lastLane, data.rows.length);
    for (let row = firstLane; row < lastRow; row++) {
      const top = this.y(row) + (this.rowHeight - height) / 2;
      let end = row + 1;
      while (end < data.rows.length && data.first[end] === data.count) end++;
      const stop = Math.max(data.first[end], data.first[row]);
      const edges = [-1e9, -1e9, -1e9, -1e9];
      for (let bar = lowerBound(x1, this.from, data.first[row], stop); bar < stop && x0[bar] <= this.to; bar++) {
        const kind = data.bar.kind[bar];
        const left = Math.max(this.labels + (x0[bar] - this.from) * scale, -10), right = Math.min(this.labels + (x1[bar] - this.from) * scale, this.width + 10);
        const width = Math.max(right - left, kind >= INVOKE ? 2 : 0.5);
        if (left + width <= edges[kind] + 0.5) continue;  // it would fall on pixels that are painted already
        edges[kind] = left + width;
        boxes[kind].push(left, top, width, height);
      }
    }
    const fills = [colours.frozen, null, colours.invoke, this.hatch];
    for (const kind of [FROZEN, GONE, INVOKE, INIT]) {
      const of = boxes[kind];
      if (kind === GONE) {
        context.strokeStyle = colours.faint;
        context.setLineDash([3, 2]);
        context.lineWidth = 1;
        for (let i = 0; i < of.length; i += 4) context.strokeRect(of[i] + 0.5, of[i + 1] + 0.5, Math.max(of[i + 2] - 1, 0.5), of[i + 3] - 1);
        context.setLineDash([]);
        continue;
      }
      context.fillStyle = fills[kind];
      for (let i = 0; i < of.length; i += 4) {
        const inset = kind === FROZEN ? of[i + 3] * 0.3 : 0;
        context.fillRect(of[i], of[i + 1] + inset, of[i + 2], of[i + 3] - 2 * inset);
      }
    }
    for (const [bar, width] of [[this.hovered, 1.5], [this.selected, 2.5]]) {
      const box = bar >= 0 && this.boxOf(bar);
      if (!box) continue;
      context.strokeStyle = colours.ink;
      context.lineWidth = width;
      context.strokeRect(box.x - 1, box.y - 1, box.width + 2, box.height + 2);
    }
  }

  boxOf(bar) {
    const height = this.rowHeight - Math.max(2, this.rowHeight * 0.3);
    const left = this.x(this.x0[bar]), width = Math.max(this.x(this.x1[bar]) - left, this.data.bar.kind[bar] >= INVOKE ? 2 : 0.5);
    return { x: left, y: this.y(this.data.bar.row[bar]) + (this.rowHeight - height) / 2, width, height };
  }

  drawMarks() {
    const { data, markPlaces, context, colours } = this;
    const size = clamp(this.rowHeight * 0.26, 3, 6);
    for (let mark = 0; mark < markPlaces.length; mark++) {
      if (markPlaces[mark] < this.from || markPlaces[mark] > this.to) continue;
      const y = this.y(data.mark.row[mark]) + this.rowHeight / 2;
      if (y < TOP - this.rowHeight || y > TOP + this.areaHeight + this.rowHeight) continue;
      drawMarkGlyph(context, data.mark.kind[mark], this.x(markPlaces[mark]), y, size, colours);
    }
  }

  drawAxis() {
    const { context, colours, axis } = this;
    const bottom = TOP + this.areaHeight;
    context.strokeStyle = colours.rule;
    context.fillStyle = colours.faint;
    context.textAlign = "center";
    context.textBaseline = "top";
    context.lineWidth = 1;
    const length = this.to - this.from, step = tickStep(length, (this.width - this.labels) / 90);
    // Cut waiting takes room on the axis but is no drawn time: ticks count the drawn time only.
    const cutUntil = (place) => axis.cuts.reduce((sum, cut) => sum + clamp(place - cut.from, 0, cut.to - cut.from), 0);
    const inSeconds = step >= 1000;
    let last = -Infinity, cut = 0, lost = 0;
    for (let tick = Math.max(0, Math.floor((this.from - cutUntil(this.from)) / step) * step); tick <= axis.length; tick += step) {
      while (cut < axis.cuts.length && axis.cuts[cut].from - lost < tick) { lost += axis.cuts[cut].to - axis.cuts[cut].from; cut++; }
      const place = tick + lost;
      if (place < this.from - 1e-9) continue;
      if (place > this.to + 1e-9) break;
      const x = Math.round(this.x(place)) + 0.5;
      context.beginPath(); context.moveTo(x, TOP - 2); context.lineTo(x, bottom + 4); context.stroke();
      const text = number(inSeconds ? tick / 1000 : tick), half = context.measureText(text).width / 2;
      if (x - half < last + 8 || x + half > this.width) continue;
      context.fillText(text, x, bottom + 6);
      last = x + half;
    }
    const unit = inSeconds ? "time (s)" : "time (ms)";
    const words = axis.cuts.length ? `${unit}, without the waiting that is cut out` : unit;
    context.fillText(words, (this.labels + this.width) / 2, bottom + 21);
  }

  drawCuts() {
    const { context, colours, axis } = this;
    context.textAlign = "center";
    context.textBaseline = "bottom";
    let last = -Infinity;
    for (const cut of axis.cuts) {
      const middle = this.x((cut.from + cut.to) / 2);
      if (middle < this.labels || middle > this.width - 4) continue;
      const gap = Math.min(2.5, Math.max((this.x(cut.to) - this.x(cut.from)) / 8, 0.75));
      context.fillStyle = colours.page;
      context.fillRect(middle - gap - 1, TOP - 4, 2 * gap + 2, this.areaHeight + 8);
      context.fillStyle = colours.faint;
      context.fillRect(middle - gap - 1, TOP - 4, 1, this.areaHeight + 8);
      context.fillRect(middle + gap, TOP - 4, 1, this.areaHeight + 8);
      const text = duration(cut.ms), half = context.measureText(text).width / 2;
      const x = clamp(middle, this.labels + half, this.width - half);
      if (x - half < last + 6) continue;
      context.fillText(text, x, TOP - 5);
      last = x + half;
    }
  }

  drawLabels() {
    const { context, data, colours } = this;
    const [first, last] = this.visibleLanes(), several = new Set(data.rows.map(([name]) => name)).size > 1, narrow = this.labels < 60;
    context.save();
    context.beginPath();
    context.rect(0, TOP, this.labels - 6, this.areaHeight);
    context.clip();
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = colours.ink;
    const font = Math.min(11, this.rowHeight - 1);
    context.font = `${font}px ${colours.font}`;
    for (let lane = first; lane < last; lane++) {
      const isThrottle = lane === data.rows.length;
      let text = isThrottle ? (narrow ? "✕" : "throttled") : `${narrow ? "" : several ? `${data.rows[lane][0]} ` : "environment "}${data.rows[lane][1]}`;
      while (text.length > 2 && context.measureText(text).width > this.labels - 8) text = `…${text.replace(/^…/, "").slice(1)}`;
      context.fillText(text, this.labels - 8, this.y(lane) + this.rowHeight / 2);
    }
    context.restore();
  }

  drawHead(x) {
    const { context, colours } = this;
    if (x < this.labels - 1 || x > this.width) return;
    context.fillStyle = colours.ink;
    context.fillRect(x - 0.75, TOP - 6, 1.5, this.areaHeight + 10);
    context.beginPath();
    context.moveTo(x - 5, TOP - 8); context.lineTo(x + 5, TOP - 8); context.lineTo(x, TOP - 1);
    context.fill();
  }

  // What is under a point: marks lie above bars, init and invoke above the rest.
  hit(x, y) {
    const { data } = this;
    if (x < this.labels - HIT || y < TOP || y > TOP + this.areaHeight) return null;
    const lane = Math.floor((y - TOP + this.scroll) / this.rowHeight);
    for (let mark = data.mark.row.length - 1; mark >= 0; mark--) {
      if (data.mark.row[mark] === lane && Math.abs(this.x(this.markPlaces[mark]) - x) <= HIT + 2 && this.markPlaces[mark] <= this.headPlace()) {
        const owner = data.mark.record[mark] < 0 ? -1 : data.bar.record.indexOf(data.mark.record[mark]);
        return owner >= 0 ? { bar: owner } : { mark };
      }
    }
    if (lane >= data.rows.length) return null;
    let best = null, bestDistance = HIT;
    const reach = this.placeAt(x + HIT);
    let from = lowerBound(this.x1, this.placeAt(x - HIT), data.first[lane], this.stopOf(lane));
    for (; from < this.stopOf(lane) && this.x0[from] <= reach; from++) {
      if (this.x0[from] > this.headPlace()) break;
      const box = this.boxOf(from), distance = Math.max(box.x - x, x - box.x - box.width, 0);
      if (best === null || distance < bestDistance || (distance <= bestDistance && data.bar.kind[from] > data.bar.kind[best])) { best = from; bestDistance = distance; }
    }
    return best === null ? null : { bar: best };
  }
  stopOf(row) {
    let next = row + 1;
    while (next < this.data.rows.length && this.data.first[next] === this.data.count) next++;
    return Math.max(this.data.first[next], this.data.first[row]);
  }

  // Bars that are worth a stop of the keyboard.
  neighbour(step) {
    const { data } = this, isStop = (bar) => data.bar.kind[bar] >= INVOKE;
    let bar = this.selected < 0 ? (step > 0 ? -1 : data.count) : this.selected;
    const row = this.selected < 0 ? -1 : data.bar.row[this.selected];
    do bar += step; while (bar >= 0 && bar < data.count && !(isStop(bar) && (row < 0 || data.bar.row[bar] === row)));
    return bar >= 0 && bar < data.count ? bar : this.selected;
  }
  neighbourRow(step) {
    const { data } = this;
    if (this.selected < 0) return this.neighbour(1);
    const row = data.bar.row[this.selected] + step;
    if (row < 0 || row >= data.rows.length) return this.selected;
    let best = -1, distance = Infinity;
    for (let bar = data.first[row]; bar < this.stopOf(row); bar++) {
      const away = Math.abs(this.x0[bar] - this.x0[this.selected]);
      if (data.bar.kind[bar] >= INVOKE && away < distance) { best = bar; distance = away; }
    }
    return best < 0 ? this.selected : best;
  }
  // Brings a bar into the window.
  show(bar) {
    const width = this.to - this.from, middle = (this.x0[bar] + this.x1[bar]) / 2;
    if (middle < this.from || middle > this.to) this.window(middle - width / 2, middle + width / 2);
    const top = this.data.bar.row[bar] * this.rowHeight;
    this.scroll = clamp(this.scroll, top + this.rowHeight - this.areaHeight, top);
  }
  // The places at which something begins or ends, in order.
  eventPlaces() {
    const places = [];
    for (let bar = 0; bar < this.data.count; bar++) if (this.data.bar.kind[bar] >= INVOKE) places.push(this.x0[bar], this.x1[bar]);
    places.push(...this.markPlaces);
    return [...new Set(places)].sort((a, b) => a - b);
  }
}

// ---------------------------------------------------------------- the widget

function legendItem(kind, isMark, picture) {
  const canvas = element("canvas", { width: 32, height: 24, "aria-hidden": "true" });
  canvas.style.cssText = "width:16px;height:12px";
  const context = canvas.getContext("2d"), colours = picture.colours;
  context.scale(2, 2);
  if (isMark) drawMarkGlyph(context, kind, 8, 6, 4, colours);
  else if (kind === GONE) { context.strokeStyle = colours.faint; context.setLineDash([3, 2]); context.strokeRect(0.5, 1.5, 15, 9); }
  else {
    context.fillStyle = kind === INIT ? hatchPattern(context, colours, 2) : kind === INVOKE ? colours.invoke : colours.frozen;
    context.fillRect(0, kind === FROZEN ? 4 : 1, 16, kind === FROZEN ? 4 : 10);
  }
  return element("li", {}, canvas, isMark ? MARK_WORDS[kind] : BAR_WORDS[kind]);
}

function render({ model, el }) {
  const button = (text, label) => element("button", { type: "button", "aria-label": label, title: label }, text);
  const root = element("div", { class: "labkit-timeline", role: "group", "aria-label": "timeline of execution environments", "data-rev": 0 });
  const play = button("▶", "play"), back = button("|◀", "previous event"), next = button("▶|", "next event");
  const scrub = element("input", { type: "range", min: 0, max: 1000, step: 1, value: 1000, class: "labkit-timeline-scrub", "aria-label": "time: drag back to see what had happened until then" });
  const clock = element("span", { class: "labkit-timeline-words" });
  const live = button("live", "show all that has happened, and follow");
  const speed = element("input", { type: "range", min: -2, max: 3, step: 0.1, value: 0, class: "labkit-timeline-speed", "aria-label": "speed of play, logarithmic" });
  const speedWords = element("span", { class: "labkit-timeline-words" });
  const plus = button("+", "zoom in"), minus = button("−", "zoom out"), fit = button("fit", "show everything");
  const toScale = element("input", { type: "checkbox" });
  const canvas = element("canvas", { tabindex: 0, role: "application" });
  const tip = element("div", { class: "labkit-timeline-tip", role: "tooltip", hidden: "" });
  const legend = element("ul", { class: "labkit-timeline-legend", "aria-label": "what the marks mean" });
  const panel = element("div", { class: "labkit-timeline-record", hidden: "" });
  const said = element("div", { class: "labkit-timeline-spoken", "aria-live": "polite" });
  root.append(
    element("div", { class: "labkit-timeline-bar" }, play, back, next, scrub, clock, live),
    element("div", { class: "labkit-timeline-stage" }, canvas, tip), legend,
    element("div", { class: "labkit-timeline-bar" }, minus, plus, fit, element("label", {}, toScale, " to scale"), element("label", {}, "speed ", speed), speedWords),
    panel, said,
  );
  el.append(root);
  const picture = new Picture(canvas, model, root);
  let playing = 0, frame = 0, drag = null, opened = "";

  const draw = () => { if (!frame) frame = requestAnimationFrame(() => { frame = 0; paint(); }); };
  const factor = () => 10 ** Number(speed.value);
  function paint() {
    picture.paint();
    const { data, axis } = picture;
    scrub.value = Math.round((1000 * picture.headPlace()) / axis.length);
    const now = duration(axis.time(picture.headPlace()));
    scrub.setAttribute("aria-valuetext", `${now} after the start`);
    clock.textContent = now;
    live.hidden = !model.get("_is_live");
    live.setAttribute("aria-pressed", picture.head === null);
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", playing ? "pause" : "play");
    speedWords.textContent = `${number(Number(factor().toPrecision(2)))}×`;
    const counts = `${data.rows.length} environments, ${data.bar.record.filter((record, bar) => record >= 0 && data.bar.kind[bar] === INVOKE).length} invocations`;
    canvas.setAttribute("aria-label", `${counts}. Arrow keys go from invocation to invocation, plus and minus zoom, space plays, Enter opens the record.`);
    Object.assign(root.dataset, {
      bars: data.count, marks: data.mark.time.length, rows: data.rows.length, selected: picture.selected, head: picture.head === null ? "end" : picture.head.toFixed(3),
      zoom: (axis.length / (picture.to - picture.from)).toFixed(3), paintMs: picture.paintMs.toFixed(2), playing: Boolean(playing), rev: Number(root.dataset.rev) + 1,
    });
  }
  function paintLegend() {
    const { data } = picture, kinds = new Set(data.bar.kind), marks = new Set(data.mark.kind);
    legend.replaceChildren(
      ...[INIT, INVOKE, FROZEN, GONE].filter((kind) => kinds.has(kind)).map((kind) => legendItem(kind, false, picture)),
      ...[ERROR, TIMEOUT, THROTTLE, END].filter((kind) => marks.has(kind)).map((kind) => legendItem(kind, true, picture)));
    if (!data.count) legend.replaceChildren(element("li", {}, "Nothing has happened yet: invoke a function, and it appears here."));
    else if (picture.lanes * ROW_MIN > STAGE_MAX) legend.append(element("li", {}, `${number(data.rows.length)} environments: scroll in the picture, or arrow keys`));
  }

  // Playing moves the head along the drawn axis, so waiting that is cut out passes quickly.
  function tick(before) {
    playing = requestAnimationFrame((now) => {
      const perSecond = factor() * Math.max(1000, picture.axis.length / PLAY_S);
      picture.head = picture.headPlace() + (perSecond * (now - before)) / 1000;
      if (picture.head >= picture.axis.length) { picture.head = null; playing = 0; }
      else tick(now);
      paint();
    });
  }
  function toggle() {
    if (playing) { cancelAnimationFrame(playing); playing = 0; draw(); return; }
    if (picture.head === null) picture.head = 0;
    tick(performance.now());
  }
  function moveHead(place) {
    if (playing) { cancelAnimationFrame(playing); playing = 0; }
    picture.head = place >= picture.axis.length ? null : Math.max(place, 0);
    draw();
  }
  function stepHead(step) {
    const places = picture.eventPlaces(), here = picture.headPlace(), slack = picture.axis.length * 1e-9;
    const found = step > 0 ? places.find((place) => place > here + slack) : places.findLast((place) => place < here - slack);
    moveHead(found ?? (step > 0 ? picture.axis.length : 0));
  }

  function closeRecord() { panel.hidden = true; opened = ""; picture.selected = -1; draw(); }
  function open(bar) {
    select(bar);
    const told = describe(picture.data, bar, model.get("_prices"));
    const close = button("✕", "close the record");
    close.addEventListener("click", () => { closeRecord(); canvas.focus(); });
    const logs = element("pre", { tabindex: 0, "aria-label": "log lines" }, "…");
    panel.replaceChildren(close, element("b", {}, told.title), list(told.facts));
    opened = told.record < 0 || picture.data.bar.kind[bar] !== INVOKE ? "" : requestId(picture.data, told.record);
    if (opened && model.get("_is_live")) {
      panel.append(logs);
      try { model.send({ type: "log", function: picture.data.rows[picture.data.bar.row[bar]][0], request_id: opened }); }
      catch { logs.textContent = "The log is read by the kernel, and there is none."; }
    }
    panel.hidden = false;
    root.dataset.opened = opened || told.title;
  }
  function select(bar) {
    picture.selected = bar;
    if (bar >= 0) {
      picture.show(bar);
      if (picture.x0[bar] > picture.headPlace()) picture.head = null;
      said.textContent = spoken(describe(picture.data, bar, model.get("_prices")));
    }
    draw();
  }

  function showTip(told, x, y) {
    tip.replaceChildren(element("b", {}, told.title), list(told.facts));
    tip.hidden = false;
    // Beside the pointer and inside the widget: what hangs out of it would be cut off by the cell.
    const stage = canvas.parentElement, { offsetWidth: width, offsetHeight: height } = tip;
    const left = x + 14 + width <= stage.clientWidth ? x + 14 : Math.max(x - 14 - width, 0);
    const top = clamp(y - height / 2, -stage.offsetTop, Math.max(root.clientHeight - stage.offsetTop - height, -stage.offsetTop));
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  }
  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (drag) {
      const moved = picture.placeAt(drag.x) - picture.placeAt(x);
      drag.moved ||= Math.abs(x - drag.start) > 3 || Math.abs(y - drag.startY) > 3;
      if (drag.moved) {
        picture.window(picture.from + moved, picture.to + moved);
        picture.scroll += drag.y - y;
        Object.assign(drag, { x, y });
        canvas.classList.add("is-dragged");
        tip.hidden = true;
        draw();
      }
      return;
    }
    const found = picture.hit(x, y), bar = found?.bar ?? -1;
    canvas.classList.toggle("is-over", Boolean(found));
    if (found) showTip(bar >= 0 ? describe(picture.data, bar, model.get("_prices")) : describeMark(picture.data, found.mark), x, y);
    else tip.hidden = true;
    if (bar !== picture.hovered) { picture.hovered = bar; draw(); }
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; if (picture.hovered >= 0) { picture.hovered = -1; draw(); } });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [x, y] = at(event);
    canvas.setPointerCapture(event.pointerId);
    drag = { x, y, start: x, startY: y, moved: false };
  });
  canvas.addEventListener("pointerup", (event) => {
    const wasDrag = drag?.moved;
    drag = null;
    canvas.classList.remove("is-dragged");
    if (wasDrag) return;
    const found = picture.hit(...at(event));
    if (found?.bar >= 0) open(found.bar);
  });
  canvas.addEventListener("pointercancel", () => { drag = null; canvas.classList.remove("is-dragged"); });
  canvas.addEventListener("dblclick", () => { picture.fit(); draw(); });
  canvas.addEventListener("wheel", (event) => {
    const scrolls = picture.lanes * picture.rowHeight > picture.areaHeight && document.activeElement === canvas;
    if (event.ctrlKey || event.metaKey) picture.zoom(Math.exp(clamp(event.deltaY, -100, 100) * 0.005), picture.placeAt(at(event)[0]));
    else if (scrolls && !event.shiftKey) picture.scroll += event.deltaY;
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const moved = ((picture.to - picture.from) * event.deltaX) / picture.width;
      picture.window(picture.from + moved, picture.to + moved);
    } else return;  // the page scrolls as ever
    event.preventDefault();
    draw();
  }, { passive: false });

  const keys = {
    ArrowRight: () => select(picture.neighbour(1)), ArrowLeft: () => select(picture.neighbour(-1)),
    ArrowDown: () => select(picture.neighbourRow(1)), ArrowUp: () => select(picture.neighbourRow(-1)),
    "+": () => { picture.zoom(0.6, picture.selected >= 0 ? picture.x0[picture.selected] : undefined); draw(); }, "=": () => keys["+"](),
    "-": () => { picture.zoom(1 / 0.6); draw(); }, "0": () => { picture.fit(); draw(); },
    " ": toggle, Home: () => moveHead(0), End: () => moveHead(picture.axis.length), ",": () => stepHead(-1), ".": () => stepHead(1),
    Enter: () => { if (picture.selected >= 0) open(picture.selected); }, Escape: closeRecord,
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });
  play.addEventListener("click", toggle);
  back.addEventListener("click", () => stepHead(-1));
  next.addEventListener("click", () => stepHead(1));
  live.addEventListener("click", () => moveHead(picture.axis.length));
  scrub.addEventListener("input", () => moveHead((Number(scrub.value) / 1000) * picture.axis.length));
  speed.addEventListener("input", paint);
  plus.addEventListener("click", () => { picture.zoom(0.6); draw(); });
  minus.addEventListener("click", () => { picture.zoom(1 / 0.6); draw(); });
  fit.addEventListener("click", () => { picture.fit(); draw(); });
  toScale.addEventListener("change", () => { picture.toScale = toScale.checked; picture.head = null; picture.setData(); picture.fit(); draw(); });

  function changed() { picture.setData(); paintLegend(); draw(); }
  function heard(message) {
    if (message.type !== "log" || message.request_id !== opened) return;
    panel.querySelector("pre").textContent = message.lines.length ? message.lines.join("\n") : "This invocation has written no log lines.";
  }
  function repaint() { picture.readColours(); paintLegend(); draw(); }
  model.on("change:_data", changed);
  model.on("msg:custom", heard);
  const sizes = new ResizeObserver(draw);
  sizes.observe(root);
  const themes = new MutationObserver(repaint);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  picture.readColours();
  paintLegend();
  paint();
  // For tests and the console: where a bar is on the page, and the picture itself.
  root.labkit = {
    picture, paint,
    barBox(bar) {
      const box = picture.boxOf(bar), canvasBox = canvas.getBoundingClientRect();
      return { x: canvasBox.x + box.x, y: canvasBox.y + box.y, width: box.width, height: box.height };
    },
  };
  return () => {
    model.off("change:_data", changed);
    model.off("msg:custom", heard);
    sizes.disconnect();
    themes.disconnect();
    cancelAnimationFrame(frame);
    cancelAnimationFrame(playing);
  };
}

export default { render };
