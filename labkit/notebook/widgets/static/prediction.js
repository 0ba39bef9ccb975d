// A question with radio buttons, or with a box for a number. The bet is kept in the model; what was
// found is marked in place by word, shape and colour.

const AXIS_MARGIN = 10; // per cent of the width that stay free at both ends
// Keys that JupyterLab would take for itself, such as "down" for the next cell, belong to what has this.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

let count = 0;

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Round numbers between two, three to six of them.
function ticks(low, high, isLog) {
  const found = [];
  if (isLog) {
    const decades = Math.log10(high / low);
    const digits = decades > 4 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const digit of digits) found.push(Number(`${digit}e${power}`));
  } else {
    const raw = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((digit) => digit * power >= raw);
    for (let at = Math.ceil(low / step); at * step <= high; at++)
      found.push(Number((at * step).toPrecision(12)));
  }
  const inside = found.filter((value) => value >= low && value <= high);
  const every = Math.ceil(inside.length / 6);
  return inside.filter((_, index) => index % every === 0);
}

// What the axis shows, and where a value lies on it, in per cent of its width.
function axisOf(bet, actual) {
  const [least, most] = [Math.min(bet, actual), Math.max(bet, actual)];
  const isLog = least > 0 && most / least > 10;
  const room = (most - least || Math.abs(most) || 1) * 0.15;
  const start = least >= 0 && least < most - least ? 0 : least - room;
  const [low, high] = isLog ? [least / 2, most * 2] : [start, most + room];
  const [from, to] = isLog ? [Math.log(low), Math.log(high)] : [low, high];
  const place = (value) =>
    AXIS_MARGIN + ((100 - 2 * AXIS_MARGIN) * ((isLog ? Math.log(value) : value) - from)) / (to - from);
  return { low, high, isLog, place };
}

// One mark with its word, above the axis; the words lie on the side that has room.
function axisMark(glyph, words, at, row, className) {
  const mark = element("span", { class: `labkit-prediction-mark ${className}`, "data-row": row });
  const parts = [element("b", {}, glyph), element("span", {}, words)];
  mark.append(...(at > 50 ? parts.reverse() : parts));
  mark.classList.toggle("is-right-half", at > 50);
  mark.style.setProperty("--at", `${at}%`);
  return mark;
}

// The bet and what was found on one axis with its unit; logarithmic where they are far apart.
function scale(model) {
  const { value, found, bet: said } = model.get("answer");
  const bet = model.get("bet");
  const { low, high, isLog, place } = axisOf(bet, value);
  const axis = element("div", { class: "labkit-prediction-axis", "aria-hidden": "true" });
  axis.dataset.scale = isLog ? "log" : "linear";
  for (const tick of ticks(low, high, isLog)) {
    const label = element("small", {}, tick.toLocaleString("en-US", { maximumSignificantDigits: 6 }));
    label.style.setProperty("--at", `${place(tick)}%`);
    axis.append(label);
  }
  axis.append(
    axisMark("◇", `your bet: ${said}`, place(bet), 0, "is-bet"),
    axisMark("✕", `it was: ${found}`, place(value), 1, "is-found"),
  );
  const unit = [model.get("unit"), isLog ? "logarithmic scale" : ""].filter(Boolean).join(", ");
  return [axis, element("div", { class: "labkit-prediction-unit", "aria-hidden": "true" }, unit)];
}

// What stands beside an option after the reveal: a shape, a word and the name of its look.
function markOf(option, bet, value) {
  if (option === value) return option === bet ? ["✓", "your bet, right", "is-found"] : ["✓", "it was this", "is-found"];
  return option === bet ? ["✕", "your bet", "is-missed"] : null;
}

function choices(model, name) {
  const { value } = model.get("answer");
  const isOpen = value === undefined;
  const box = element("div", { class: "labkit-prediction-options" });
  model.get("options").forEach((option, index) => {
    const input = element("input", { type: "radio", name, ...OWN_KEYS });
    input.checked = model.get("bet") === option;
    input.disabled = !isOpen;
    input.addEventListener("change", () => {
      model.set("bet", option);
      model.save_changes();
    });
    const label = element("label", {}, input, element("span", {}, model.get("labels")[index]));
    const mark = isOpen ? null : markOf(option, model.get("bet"), value);
    if (mark) {
      label.append(element("b", {}, `${mark[0]} ${mark[1]}`));
      label.classList.add(mark[2]);
    }
    box.append(label);
  });
  return [box];
}

function numberBox(model) {
  const label = `Your bet${model.get("unit") ? ` in ${model.get("unit")}` : ""}`;
  const input = element("input", { type: "number", step: "any", "aria-label": label, ...OWN_KEYS });
  if (model.get("bet") !== null) input.value = model.get("bet");
  const isOpen = model.get("answer").value === undefined;
  input.disabled = !isOpen;
  // At each key, so that a bet counts even if the next cell is run before the box is left.
  input.addEventListener("input", () => {
    model.set("bet", Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : null);
    model.save_changes();
  });
  const box = element("label", { class: "labkit-prediction-number" }, "Your bet: ", input, ` ${model.get("unit")}`);
  return !isOpen && model.get("bet") !== null ? scale(model) : [box];
}

function render({ model, el }) {
  const name = `labkit-prediction-${++count}`;
  const root = element("fieldset", { class: "labkit-prediction", "data-rev": 0 });
  const body = element("div");
  const state = element("p", { class: "labkit-prediction-state", "aria-live": "polite" });
  root.append(element("legend", {}, element("b", {}, "Predict"), element("span", {}, model.get("question"))), body, state);
  const palette = model.get("_palette");
  for (const colour of ["success", "throttled", "invoke"]) root.style.setProperty(`--${colour}`, palette[colour]);
  el.append(root);

  // A new bet changes words only: what has the focus stays.
  function words() {
    const answer = model.get("answer");
    const bet = model.get("bet");
    const measured = answer.measured ? `Measured: ${answer.measured}.` : "";
    const closed = [answer.verdict, measured, answer.explain].filter(Boolean).join(" ");
    state.textContent = closed || (bet === null ? "No bet yet. It is worth a guess." : "Bet placed. Run on to see.");
    root.dataset.bet = bet === null ? "" : String(bet);
    root.dataset.state = closed ? "revealed" : "open";
    root.dataset.rev = Number(root.dataset.rev) + 1;
  }
  function paint() {
    body.replaceChildren(...(model.get("options").length ? choices(model, name) : numberBox(model)));
    words();
  }
  // Bets that come from elsewhere, from code or another view, change what is chosen.
  function betChanged() {
    const shown = body.querySelector("input:checked, input[type=number]");
    const bet = model.get("bet");
    const index = model.get("options").indexOf(bet);
    if (index >= 0) body.querySelectorAll("input")[index].checked = true;
    else if (shown && shown.type === "number" && shown !== document.activeElement) shown.value = bet === null ? "" : bet;
    words();
  }
  paint();
  model.on("change:bet", betChanged);
  model.on("change:answer", paint);
  return () => {
    model.off("change:bet", betChanged);
    model.off("change:answer", paint);
  };
}

export default { render };
