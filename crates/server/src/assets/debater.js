// The debater's page: words counted, a selection of the text quoted, and a draft in this browser. Every form works without this
// script.
(() => {
  const panel = document.getElementById("panel");
  if (!panel) return;
  const speech = document.getElementById("speech");
  const count = document.getElementById("count");
  const quote = document.getElementById("quote");
  const most = Number(panel.dataset.most);
  const place = `trimtab ${location.pathname}`;

  // As the server counts: between blanks, without the marks of quotes.
  const nWords = () => speech.value.replace(/<\/?quote>/gi, " ").trim().split(/\s+/).filter(Boolean).length;
  const show = () => {
    const n = nWords();
    count.textContent = `${n} of at most ${most} words`;
    count.classList.toggle("fault", n > most);
  };
  try {
    if (speech.value === "") speech.value = localStorage.getItem(place) ?? "";
  } catch { /* a browser that keeps nothing */ }
  const saved = panel.querySelector(".saved");
  speech.addEventListener("input", () => {
    try {
      localStorage.setItem(place, speech.value);
      saved.textContent = "draft kept in this browser";
    } catch { saved.textContent = ""; }
    show();
  });

  const insert = (text) => {
    const { selectionStart: from, selectionEnd: to, value } = speech;
    speech.value = value.slice(0, from) + text + value.slice(to);
    speech.selectionStart = speech.selectionEnd = from + text.length;
    speech.focus();
    speech.dispatchEvent(new Event("input"));
  };
  const passage = document.getElementById("passage");
  const selected = () => {
    const selection = document.getSelection();
    return passage && selection.rangeCount && passage.contains(selection.getRangeAt(0).commonAncestorContainer)
      ? selection.toString().trim() : "";
  };
  if (quote && passage) {
    quote.hidden = false;
    // Before the press takes the selection away.
    quote.addEventListener("mousedown", (event) => event.preventDefault());
    quote.addEventListener("click", () => {
      const text = selected();
      if (text) insert(`<quote>${text}</quote>`);
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.activeElement === speech) return;
      if (event.key === "q" && selected()) { event.preventDefault(); insert(`<quote>${selected()}</quote>`); }
    });
  }
  show();
})();
