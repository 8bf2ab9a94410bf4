// Says beside a field what is wrong with its condition, a moment after the typing stops.

export function checkConditions(form) {
  let timer;
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[data-condition]")) return;
    clearTimeout(timer);
    timer = setTimeout(() => check(event.target), 350);
  });
  for (const input of form.querySelectorAll("[data-condition]")) if (input.value) check(input);
}

async function check(input) {
  const written = input.value.trim();
  let wrong = "";
  if (written && !written.startsWith("{")) {
    try {
      const answer = await (await fetch(`/api/check?condition=${encodeURIComponent(written)}`)).json();
      if (!answer.ok) wrong = answer.hint ? `${answer.error}; ${answer.hint}` : answer.error;
    } catch {
      return;
    }
  }
  if (input.value.trim() !== written) return;
  input.classList.toggle("invalid", wrong !== "");
  input.setAttribute("aria-invalid", String(wrong !== ""));
  const place = input.parentElement.querySelector(".wrong");
  if (place) place.textContent = wrong;
}
