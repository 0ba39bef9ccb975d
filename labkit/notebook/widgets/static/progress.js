// A bar with what is done, how long it took and how long the rest will take.

const TICK_MS = 200;

const number = (value) => value.toLocaleString("en-US");

function duration(seconds) {
  if (seconds < 0.1) return "under 0.1 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

// What stands beside the bar. `elapsed` goes on between two messages of the kernel.
function words({ total, done, state, elapsed_s }, elapsed) {
  const steps = total === null ? `${number(done)} ${done === 1 ? "step" : "steps"}` : `${number(done)} of ${number(total)}`;
  if (state === "done") return `✓ done: ${steps} in ${duration(elapsed_s)}`;
  if (state === "stopped") return `✕ stopped: ${steps} in ${duration(elapsed_s)}`;
  const left = total && done ? `, about ${duration(Math.max(0, (elapsed_s / done) * total - elapsed))} left` : "";
  return `${steps}, ${duration(elapsed)}${left}`;
}

function element(tag, className) {
  const node = document.createElement(tag);
  node.className = className;
  return node;
}

function render({ model, el }) {
  const root = element("div", "labkit-progress");
  const name = element("span", "labkit-progress-name");
  const bar = element("div", "labkit-progress-bar");
  const fill = element("div", "labkit-progress-fill");
  const said = element("span", "labkit-progress-words");
  bar.setAttribute("role", "progressbar");
  bar.append(fill);
  root.append(name, bar, said);
  root.dataset.rev = 0;
  for (const colour of ["invoke", "success", "throttled"]) root.style.setProperty(`--${colour}`, model.get("_palette")[colour]);
  el.append(root);

  let shown = null, at = 0;
  function tell() {
    const elapsed = shown.elapsed_s + (shown.state === "running" ? (performance.now() - at) / 1000 : 0);
    said.textContent = words(shown, elapsed);
  }
  function paint() {
    const names = ["what", "total", "done", "elapsed_s", "state"];
    shown = Object.fromEntries(names.map((key) => [key, model.get(key)]));
    at = performance.now();
    const { what, total, done, state } = shown;
    const isUnknown = total === null && state === "running";
    const part = state === "done" ? 1 : total ? Math.min(1, done / total) : 0;
    name.textContent = what;
    fill.style.width = isUnknown ? "" : `${100 * part}%`;
    bar.setAttribute("aria-label", what);
    if (isUnknown) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", Math.round(100 * part));
    tell();
    bar.setAttribute("aria-valuetext", words(shown, shown.elapsed_s));
    root.classList.toggle("is-unknown", isUnknown);
    root.dataset.state = state;
    root.dataset.done = done;
    root.dataset.rev = Number(root.dataset.rev) + 1;
  }
  paint();
  const ticking = setInterval(() => shown.state === "running" && tell(), TICK_MS);
  // After a restart of the kernel nobody goes on with the work.
  const disconnected = () => {
    if (shown.state !== "running") return;
    shown = { ...shown, state: "stopped" };
    root.dataset.state = "stopped";
    tell();
  };
  model.on("change", paint);
  model.on("comm_live_update", disconnected);
  return () => {
    clearInterval(ticking);
    model.off("change", paint);
    model.off("comm_live_update", disconnected);
  };
}

export default { render };
