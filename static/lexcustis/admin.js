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
