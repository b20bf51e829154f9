// The admin's column on narrow screens. Without this file the column simply stays open.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  document.addEventListener("click", (event) => {
    const toggle = event.target.closest(".side-toggle");
    if (!toggle) return;
    const open = root.classList.toggle("side-open");
    toggle.setAttribute("aria-expanded", String(open));
  });
})();

// The column is longer than most windows: show where one is.
(() => {
  const here = document.querySelector(".side nav [aria-current=page]");
  if (!here) return;
  const column = here.closest("nav");
  const hidden = here.getBoundingClientRect().bottom - column.getBoundingClientRect().bottom;
  if (hidden > 0) column.scrollTop += hidden + column.clientHeight / 3;
})();

// A running verification: ask how far it is, and show the result when it has ended.
(() => {
  const card = document.querySelector("[data-verification]");
  if (!card) return;
  const ask = async () => {
    const answer = await fetch(card.dataset.verification, { headers: { Accept: "application/json" } });
    const state = answer.ok ? await answer.json() : { running: false };
    if (!state.running) {
      location.reload();
      return;
    }
    card.querySelector("progress").value = state.total ? (100 * state.checked) / state.total : 0;
    card.querySelector("[data-checked]").textContent = state.checked;
    card.querySelector("[data-total]").textContent = state.total;
    setTimeout(ask, 500);
  };
  setTimeout(ask, 500);
})();
