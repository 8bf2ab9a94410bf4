// Sends a file to be looked at: a small one whole, of a larger one its head, middle and tail.

const WHOLE = 4_000_000;
const HEAD = 500_000;
const PIECE = 250_000;

const drop = document.querySelector("[data-drop]");
if (drop) {
  const input = drop.querySelector("[data-file]");
  drop.hidden = false;
  input.addEventListener("change", () => input.files[0] && look(input.files[0]));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
    });
  }
}

async function look(file) {
  const address = new URL("/inspect", location.href);
  address.searchParams.set("name", file.name);
  let body = file;
  if (file.size > WHOLE) {
    const middle = Math.floor((file.size - PIECE) / 2);
    body = new Blob([file.slice(0, HEAD), file.slice(middle, middle + PIECE), file.slice(file.size - PIECE)]);
    address.searchParams.set("size", file.size);
    address.searchParams.set("cuts", `${HEAD},${HEAD + PIECE}`);
  }
  drop.classList.add("busy");
  drop.querySelector("b").textContent = `Looking at ${file.name} …`;
  try {
    const reply = await fetch(address, { method: "POST", body, headers: { accept: "text/html", "content-type": "application/octet-stream" } });
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
    document.title = page.title;
    scrollTo(0, 0);
  } catch {
    drop.classList.remove("busy");
    drop.querySelector("b").textContent = "The server cannot be reached. Choose a file again";
  }
}
