// Shows the numbers under the pointer, or under the arrow keys once the chart has the focus.

export function pointAt(figure) {
  const tip = figure.querySelector("[data-tip-box]");
  let on;
  for (const title of figure.querySelectorAll(".slot title")) title.remove();

  function leave() {
    on?.classList.remove("on");
    on = undefined;
    tip.hidden = true;
  }

  function show(slot, x, y) {
    if (slot !== on) {
      on?.classList.remove("on");
      on = slot;
      slot.classList.add("on");
      const [title, ...lines] = JSON.parse(slot.dataset.tip);
      const head = document.createElement("b");
      head.textContent = title;
      tip.replaceChildren(head, ...lines.map(line));
      tip.hidden = false;
    }
    const { width, height } = tip.getBoundingClientRect();
    const left = x + 16 + width > innerWidth ? Math.max(4, x - width - 16) : x + 16;
    tip.style.transform = `translate(${left}px, ${Math.max(4, y - height - 12)}px)`;
  }

  figure.addEventListener("pointermove", (event) => {
    const slot = event.target.closest(".slot");
    if (slot) show(slot, event.clientX, event.clientY);
    else leave();
  });
  figure.addEventListener("pointerleave", leave);

  for (const chart of figure.querySelectorAll("svg.chart")) {
    chart.setAttribute("tabindex", "0");
    chart.addEventListener("blur", leave);
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const slots = [...chart.querySelectorAll(".slot")];
      const next = slots[Math.min(Math.max(slots.indexOf(on) + step, 0), slots.length - 1)];
      const { left, top, width } = next.getBoundingClientRect();
      show(next, left + width / 2, top + 40);
    });
  }
}

function line([name, value, place]) {
  const row = document.createElement("div");
  const label = document.createElement("span");
  if (place >= 0) {
    const swatch = document.createElement("i");
    swatch.className = `b${place}`;
    label.append(swatch);
  }
  label.append(name);
  const number = document.createElement("span");
  number.textContent = value;
  row.append(label, number);
  return row;
}
