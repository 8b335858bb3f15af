// The run's page: its changing part comes from the server, escaped there as the page itself is.
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const source = new EventSource(live.dataset.address);
  source.addEventListener("part", (event) => { live.innerHTML = event.data; });
})();
