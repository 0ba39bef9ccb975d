// A checklist. The kernel counts the events; this shows the counts and says what is new.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function item(text, count, needed) {
  const isDone = count >= needed;
  const state = [needed > 1 ? `${Math.min(count, needed)} of ${needed}` : "", isDone ? "done" : "open"];
  return element(
    "li",
    { class: isDone ? "is-done" : "is-open" },
    element("span", { class: "labkit-goals-box", "aria-hidden": "true" }, isDone ? "✓" : ""),
    element("span", { class: "labkit-goals-text" }, text),
    element("span", { class: "labkit-goals-state" }, state.filter(Boolean).join(" · ")),
  );
}

function render({ model, el }) {
  const head = element("b", { class: "labkit-goals-head" });
  const list = element("ul");
  const news = element("p", { class: "labkit-goals-news", "aria-live": "polite" });
  const root = element("div", { class: "labkit-goals", "data-rev": 0, role: "group", "aria-label": "Goals" }, head, list, news);
  for (const colour of ["success", "invoke"]) root.style.setProperty(`--${colour}`, model.get("_palette")[colour]);
  el.append(root);

  let before = null;
  function paint() {
    const [texts, needed, counts] = ["texts", "needed", "counts"].map((name) => model.get(name));
    const done = texts.map((_, index) => counts[index] >= needed[index]);
    const total = done.filter(Boolean).length;
    const fresh = texts.filter((_, index) => before && done[index] && !before[index]);
    before = done;
    head.textContent = total === texts.length ? `All ${total} goals reached` : `Goals: ${total} of ${texts.length} reached`;
    if (texts.length === 1) head.textContent = total ? "Goal reached" : "Goal";
    list.replaceChildren(...texts.map((text, index) => item(text, counts[index], needed[index])));
    if (fresh.length) news.textContent = `Done: ${fresh.join("; ")}. ${total} of ${texts.length} reached.`;
    root.dataset.done = total;
    root.dataset.state = total === texts.length ? "done" : "open";
    root.dataset.rev = Number(root.dataset.rev) + 1;
  }
  paint();
  model.on("change:counts", paint);
  return () => model.off("change:counts", paint);
}

export default { render };
