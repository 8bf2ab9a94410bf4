// What every page does: the theme, things to copy, and waiting for the first event.

const root = document.documentElement;

document.querySelector("[data-theme-toggle]").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme};path=/;max-age=31536000;samesite=lax`;
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-address]");
  if (!button) return;
  const text = button.hasAttribute("data-copy-address") ? location.href : button.parentElement.querySelector("code").textContent;
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Cannot copy";
  }
  setTimeout(() => (button.textContent = before), 1500);
});

if (document.querySelector("[data-waiting]")) {
  setInterval(async () => {
    try {
      const status = await (await fetch("/api/status")).json();
      if (status.stored > 0) location.reload();
    } catch {
      // The server is away for a moment; the next look will tell.
    }
  }, 2000);
}
