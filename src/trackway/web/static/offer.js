// Type-ahead for conditions and columns: events, columns and values with their counts.
//
// In a condition it looks at what stands before the cursor: after `column = '` it offers values of that
// column, at the start of a word it offers columns, and in an empty field whole conditions on events.

const OPEN_TEXT = /("?)([\w.$ -]+?)\1\s*(?:=|<>|!=|like|ilike|in\s*\((?:\s*'(?:[^']|'')*'\s*,)*)\s*'((?:[^']|'')*)$/i;
const WORD = /(?:^|[\s(,])([A-Za-z_][\w.]*)$/;
const WORDS = new Set(["and", "or", "not", "in", "like", "ilike", "is", "null", "between", "true", "false"]);
const kept = new Map();

async function look(address) {
  if (!kept.has(address)) kept.set(address, fetch(address).then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({})));
  return kept.get(address);
}

const counted = (value) => (value == null ? "" : Number(value).toLocaleString("en"));
const text = (value) => `'${String(value).replaceAll("'", "''")}'`;

async function events(part) {
  const { events = [] } = await look("/api/events");
  const wanted = part.toLowerCase();
  return events.filter((one) => one.event?.toLowerCase().includes(wanted)).map((one) => ({ name: one.event, note: counted(one.events) }));
}

async function columns(part) {
  const { columns = [] } = await look("/api/columns");
  const wanted = part.toLowerCase();
  return columns
    .filter((one) => one.column.toLowerCase().includes(wanted))
    .sort((a, b) => b.column.toLowerCase().startsWith(wanted) - a.column.toLowerCase().startsWith(wanted))
    .map((one) => ({ name: one.column, note: one.kind }));
}

async function values(column, part) {
  const { values = [] } = await look(`/api/values?column=${encodeURIComponent(column)}&prefix=${encodeURIComponent(part)}`);
  return values.map((one) => ({ name: one.value, note: counted(one.events) }));
}

// What may be put in place of the part of a field that ends at the cursor.
async function offers(input) {
  const before = input.value.slice(0, input.selectionStart);
  if (input.matches("[data-column]")) return (await columns(input.value)).map((one) => ({ ...one, from: 0, put: one.name }));
  if (!input.matches("[data-condition]")) return [];
  const open = OPEN_TEXT.exec(before);
  if (open) {
    const column = open[2].trim().split(/\s+/).pop();
    const part = open[3].replaceAll("''", "'");
    const from = before.length - open[3].length - 1;
    const found = column === "event" ? await events(part) : await values(column, part);
    return found.map((one) => ({ ...one, from, put: text(one.name) }));
  }
  if (!before.trim()) return (await events("")).slice(0, 30).map((one) => ({ ...one, from: 0, put: `event = ${text(one.name)}`, label: one.name }));
  const word = WORD.exec(before)?.[1];
  if (!word || WORDS.has(word.toLowerCase())) return [];
  const from = before.length - word.length;
  const named = (await columns(word)).map((one) => ({ ...one, from, put: one.name }));
  const whole = from === 0 ? (await events(word)).map((one) => ({ ...one, from, put: `event = ${text(one.name)}`, label: one.name })) : [];
  return [...named.slice(0, 8), ...whole.slice(0, 20)];
}

export function offer(form) {
  let input, box, found = [], at = -1, asked = 0;

  function close() {
    box?.remove();
    box = undefined;
    found = [];
    at = -1;
    input?.setAttribute("aria-expanded", "false");
    input?.removeAttribute("aria-activedescendant");
  }

  function mark(index) {
    at = (index + found.length) % found.length;
    [...box.children].forEach((row, place) => row.setAttribute("aria-selected", String(place === at)));
    box.children[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `offer-${at}`);
  }

  function take(one) {
    const cursor = input.selectionStart;
    let rest = input.value.slice(input.matches("[data-column]") ? input.value.length : cursor);
    if (one.put.endsWith("'") && rest.startsWith("'")) rest = rest.slice(1);
    const head = input.value.slice(0, one.from) + one.put;
    input.value = head + rest;
    input.setSelectionRange(head.length, head.length);
    const name = input.closest("[data-step]")?.querySelector("[name=name]");
    if (one.label && name && !name.value) name.value = one.label;
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    close();
  }

  async function open(target) {
    const mine = ++asked;
    const next = await offers(target);
    if (mine !== asked || document.activeElement !== target) return;
    close();
    input = target;
    found = next.filter((one) => one.name != null && target.value.slice(one.from, target.selectionStart) !== one.put).slice(0, 40);
    if (!found.length) return;
    box = document.createElement("ul");
    box.className = "offers";
    box.id = "offers";
    box.setAttribute("role", "listbox");
    found.forEach((one, index) => {
      const row = document.createElement("li");
      row.id = `offer-${index}`;
      row.setAttribute("role", "option");
      const name = document.createElement("span");
      name.textContent = one.name;
      const note = document.createElement("small");
      note.textContent = one.label ? `event · ${one.note}` : one.note;
      row.append(name, note);
      row.addEventListener("pointerdown", (event) => { event.preventDefault(); take(one); });
      box.append(row);
    });
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-controls", "offers");
    input.setAttribute("aria-expanded", "true");
    input.after(box);
  }

  form.addEventListener("input", (event) => open(event.target));
  form.addEventListener("focusin", (event) => { if (event.target.matches("[data-condition], [data-column]")) open(event.target); });
  form.addEventListener("focusout", () => { asked += 1; close(); });
  form.addEventListener("keydown", (event) => {
    if (!box) return;
    if (event.key === "ArrowDown") mark(at + 1);
    else if (event.key === "ArrowUp") mark(at - 1);
    else if ((event.key === "Enter" || event.key === "Tab") && at >= 0) take(found[at]);
    else if (event.key === "Escape") close();
    else return;
    if (event.key !== "Tab") event.preventDefault();
  });
}
