// Single-key shortcuts; they can be switched off on each screen (WCAG 2.1.4).

const OFF = "asbuilt-keys-off";

export function startKeys() {
  const help = document.getElementById("help");
  const off = document.getElementById("keys-off");
  off.checked = localStorage.getItem(OFF) === "yes";
  off.addEventListener("change", () => localStorage.setItem(OFF, off.checked ? "yes" : "no"));

  const button = document.getElementById("keys");
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());

  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    if (off.checked || help.open || document.querySelector("[data-scan]")) return;
    if (going && performance.now() - going < 1500) {
      going = 0;
      document.querySelector(`.nav [data-key="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
      return;
    }
    switch (event.key) {
      case "?": help.showModal(); break;
      case "g": case "G": going = performance.now(); break;
      case "a": case "A": document.getElementById("alarms")?.focus(); break;
      case "j": case "J": step(1); break;
      case "k": case "K": step(-1); break;
      case "/": {
        const search = document.getElementById("search");
        if (search) { event.preventDefault(); search.focus(); }
      }
    }
  });
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))].focus();
}
