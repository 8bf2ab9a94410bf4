// The answer page: the form's steps and presets, and the parts that look things up or point at the chart.

import { checkConditions } from "./check.js";
import { offer } from "./offer.js";
import { pointAt } from "./point.js";

const form = document.querySelector("[data-question]");
const list = document.querySelector("[data-steps] ol");

function addStep(when = "", name = "") {
  const step = list.lastElementChild.cloneNode(true);
  for (const input of step.querySelectorAll("input")) input.value = "";
  step.querySelector(".wrong").textContent = "";
  step.querySelector(".invalid")?.classList.remove("invalid");
  step.querySelector(".offers")?.remove();
  list.append(step);
  step.querySelector("[name=step]").value = when;
  step.querySelector("[name=name]").value = name;
  return step;
}

if (list) {
  const add = document.querySelector("[data-add]");
  add.hidden = false;
  add.addEventListener("click", () => addStep().querySelector("[name=step]").focus());
  list.addEventListener("click", (event) => {
    const step = event.target.closest("[data-step]");
    if (event.target.closest("[data-up]")) step.previousElementSibling?.before(step);
    if (event.target.closest("[data-down]")) step.nextElementSibling?.after(step);
    if (event.target.closest("[data-remove]")) {
      if (list.children.length === 1) addStep();
      step.remove();
    }
  });
}

document.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-event]");
  if (!chip) return;
  const condition = `event = '${chip.dataset.event.replaceAll("'", "''")}'`;
  const open = [...form.querySelectorAll("[data-condition]:not([name=where])")].find((input) => !input.value);
  if (!open && !list) return;
  const input = open ?? addStep().querySelector("[name=step]");
  input.value = condition;
  const name = input.closest("[data-step]")?.querySelector("[name=name]");
  if (name && !name.value) name.value = chip.dataset.event;
  input.dispatchEvent(new Event("input", { bubbles: true }));
});

const presets = document.querySelector("[data-presets]");
if (presets?.dataset.last) {
  presets.hidden = false;
  presets.addEventListener("click", (event) => {
    const days = event.target.dataset.days;
    if (days === undefined) return;
    const shift = (date, by) => new Date(Date.parse(date) + by * 86400000).toISOString().slice(0, 10);
    for (const name of ["from", "to"]) form.elements[name].type = "date";
    form.elements.from.value = days ? shift(presets.dataset.last, 1 - days) : "";
    form.elements.to.value = days ? shift(presets.dataset.last, 1) : "";
    form.requestSubmit();
  });
}

// Empty fields would only lengthen the address; a step's empty name stays, since names and steps go in pairs.
form?.addEventListener("formdata", (event) => {
  const kept = [...event.formData.entries()].filter(([key, value]) => value !== "" || key === "name");
  for (const key of new Set([...event.formData.keys()])) event.formData.delete(key);
  for (const [key, value] of kept) event.formData.append(key, value);
});

if (form) {
  offer(form);
  checkConditions(form);
}
for (const worse of document.querySelectorAll(".answers > .answer:has(~ .answer)")) worse.remove();
for (const figure of document.querySelectorAll("[data-chart]")) pointAt(figure);
