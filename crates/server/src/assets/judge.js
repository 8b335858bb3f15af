// Judging pages: the slider, keys, drafts, and a question before the last click. Every form works without this script.
(() => {
  const panel = document.getElementById("panel");
  const undo = document.getElementById("undo");
  const goOn = document.getElementById("go-on");
  const typing = () => ["TEXTAREA", "INPUT", "SELECT"].includes(document.activeElement?.tagName)
    && document.activeElement?.type !== "range";

  // Rounds, by j and k.
  const rounds = [...document.querySelectorAll(".round")];
  let at = rounds.length;
  const visit = (i) => {
    if (!rounds.length) return;
    at = Math.max(0, Math.min(rounds.length - 1, i));
    rounds[at].scrollIntoView({ block: "start" });
  };
  // After a step the round that is new is in view.
  if (location.hash.startsWith("#round-")) {
    const i = rounds.findIndex((round) => `#${round.id}` === location.hash);
    if (i >= 0) visit(i);
  }

  if (!panel) {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing()) return;
      if (event.key === "u" && undo) undo.click();
      if (event.key === "Enter" && goOn && document.activeElement !== goOn && document.activeElement !== undo) goOn.click();
    });
    // What was kept of a judged item is no longer needed.
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(`trimtab ${location.pathname.split("/").pop()} `)) localStorage.removeItem(key);
    }
    return;
  }

  const field = panel.querySelector(".belief");
  const select = field.querySelector("select");
  const slider = field.querySelector(".slider");
  const value = field.querySelector(".value");
  const payoff = field.querySelector(".payoff");
  const keys = [...field.querySelectorAll(".key")];
  const reason = panel.querySelector("textarea");
  const saved = panel.querySelector(".saved");
  const confirmation = document.getElementById("confirm");
  const isFinal = panel.dataset.kind === "final";
  const needsReason = panel.dataset.reason === "required" && isFinal;
  const refusesHalf = field.dataset.half === "refused";
  const place = `trimtab ${panel.dataset.task} ${panel.dataset.step}.${panel.dataset.revision}`;

  // One half is an answer of its own where it has a name: a tie, or that one cannot say.
  const halfName = field.dataset.halfName;
  const [halfWords, halfHint] = field.dataset.half === "tie"
    ? ["Both are equally good.", "How sure you are that it is the better one."]
    : ["That is an answer too, and is kept.", "How sure you are."];
  const words = (percent) => percent === 50 ? (halfName ?? "50 : 50") : percent > 50 ? `A ${percent} %` : `B ${100 - percent} %`;
  const bits = (percent) => {
    const score = 1 + Math.log2(percent / 100);
    return score < 0 ? `−${(-score).toFixed(2)}` : `+${score.toFixed(2)}`;
  };
  const belief = () => select.value === "" ? null : Number(select.value);
  const nWords = () => reason ? reason.value.trim().split(/\s+/).filter(Boolean).length : 0;
  const isReady = () => belief() !== null && (!needsReason || nWords() >= 3);

  const show = () => {
    const percent = belief();
    field.classList.toggle("set", percent !== null);
    field.classList.toggle("to-a", percent !== null && percent > 50);
    field.classList.toggle("to-b", percent !== null && percent < 50);
    value.textContent = percent === null ? "not set yet" : words(percent);
    slider.setAttribute("aria-valuetext", value.textContent);
    // The slider runs from A at the left to B at the right.
    slider.value = percent === null ? 50 : 100 - percent;
    for (const key of keys) key.setAttribute("aria-pressed", String(Number(key.dataset.percent) === percent));
    payoff.textContent = percent === null
      ? "Drag the slider or press a number."
      : halfName
      ? (percent === 50 ? halfWords : halfHint)
      : `Score: ${bits(percent)} if A is right, ${bits(100 - percent)} if B is.`;
    goOn.disabled = !isReady();
  };
  const set = (percent) => {
    let to = Math.max(5, Math.min(95, percent));
    if (refusesHalf && to === 50) to = (belief() ?? 50) > 50 ? 45 : 55;
    select.value = String(to);
    keep();
    show();
  };

  // Drafts: in this browser at once, at the server a moment later.
  let timer = null;
  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify({ belief: select.value, reason: reason?.value ?? "" }));
    } catch { /* a browser that keeps nothing: the server does */ }
  };
  const send = async () => {
    const body = new URLSearchParams({ form: panel.elements.form.value, reason: reason.value });
    try {
      const answer = await fetch(`/judge/${panel.dataset.task}/draft`, { method: "POST", body });
      saved.textContent = answer.ok ? "draft kept" : "draft kept in this browser only";
    } catch {
      saved.textContent = "draft kept in this browser only";
    }
  };
  try {
    const kept = JSON.parse(localStorage.getItem(place) ?? "null");
    if (kept) {
      if (select.value === "" && [...select.options].some((option) => option.value === kept.belief)) select.value = kept.belief;
      if (reason && reason.value === "") reason.value = kept.reason;
    }
  } catch { /* nothing was kept */ }
  reason?.addEventListener("input", () => {
    keep();
    show();
    saved.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(send, 700);
  });

  // The slider in place of the list.
  field.querySelector(".plain").hidden = true;
  field.querySelector(".sliding").hidden = false;
  for (const kind of ["input", "change", "pointerup"]) {
    slider.addEventListener(kind, () => set(100 - Number(slider.value)));
  }
  for (const key of keys) key.addEventListener("click", () => set(Number(key.dataset.percent)));
  select.addEventListener("change", () => { keep(); show(); });

  // Seconds in which somebody looked at the page: it is in view, and something moved in the last half minute.
  let active = 0, moved = Date.now(), ticked = Date.now();
  for (const kind of ["pointermove", "pointerdown", "keydown", "scroll", "touchstart"]) {
    document.addEventListener(kind, () => { moved = Date.now(); }, { passive: true });
  }
  const tick = () => {
    const now = Date.now();
    if (!document.hidden && now - moved < 30000) active += now - ticked;
    ticked = now;
  };
  setInterval(tick, 500);

  let isSent = false;
  const submit = () => {
    if (isSent || !isReady()) return;
    if (isFinal && confirmation && !confirmation.open) {
      confirmation.querySelector(".said").textContent = words(belief());
      confirmation.showModal();
      document.getElementById("confirm-yes").focus();
      return;
    }
    panel.requestSubmit(goOn);
  };
  panel.addEventListener("submit", (event) => {
    if (event.submitter === undo) return;
    if (isSent || !isReady()) { event.preventDefault(); return; }
    if (isFinal && !(confirmation.open && confirmation.dataset.yes)) { event.preventDefault(); submit(); return; }
    tick();
    clearTimeout(timer);
    panel.elements.active_secs.value = (active / 1000).toFixed(1);
    isSent = true;
    // What is sent twice is stored once; this only spares the second click.
    setTimeout(() => { goOn.disabled = true; });
  });
  document.getElementById("confirm-yes").addEventListener("click", () => {
    confirmation.dataset.yes = "yes";
    panel.requestSubmit(goOn);
    confirmation.close();
  });
  document.getElementById("confirm-no").addEventListener("click", () => confirmation.close());
  confirmation.addEventListener("close", () => { delete confirmation.dataset.yes; });
  // A page that comes back by the back button can be sent again.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  document.addEventListener("keydown", (event) => {
    if (confirmation.open) return;
    if (event.key === "Escape" && document.activeElement === reason) { reason.blur(); return; }
    if (event.key === "Enter" && event.ctrlKey) { event.preventDefault(); submit(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || typing()) return;
    const percent = keys.find((key) => key.querySelector("kbd").textContent === event.key)?.dataset.percent;
    if (percent !== undefined) { set(Number(percent)); return; }
    switch (event.key) {
      case "ArrowLeft": case "ArrowRight": {
        event.preventDefault();
        const step = event.key === "ArrowLeft" ? 5 : -5;
        set((belief() ?? 50) + step);
        break;
      }
      case "j": case "k":
        visit(event.key === "j" ? at + 1 : at - 1);
        rounds[at]?.focus({ preventScroll: true });
        break;
      case "r": if (reason) { event.preventDefault(); reason.focus(); } break;
      case "u": undo?.click(); break;
      case "Enter":
        // A button of the closed question may hold the focus for a moment.
        if (["BUTTON", "A", "SUMMARY"].includes(document.activeElement?.tagName)
          && !confirmation.contains(document.activeElement)) return;
        event.preventDefault();
        submit();
        break;
      default:
    }
  });

  show();
})();
