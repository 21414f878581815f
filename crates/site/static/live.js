// Keeps the results of a poll up to date over a WebSocket. The page is complete without it.
"use strict";

(() => {
  const list = document.getElementById("results");
  const total = document.getElementById("total");
  if (!list || !total || !("WebSocket" in window)) return;

  const address = new URL(list.dataset.live, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";

  const FIRST_PAUSE = 500;
  const LONGEST_PAUSE = 15000;
  let pause = FIRST_PAUSE;
  let finished = false;
  let shown = 0;

  function showClosed() {
    finished = true;
    document.getElementById("vote")?.remove();
    const notice = document.getElementById("closed-notice");
    if (!notice) return;
    notice.replaceWith(notice.content);
  }

  function show(news) {
    // A message that was under way while the page took a fresh snapshot is older than what it shows.
    if (news.total < shown) return;
    shown = news.total;
    for (const item of list.querySelectorAll("[data-choice]")) {
      const count = news.counts[item.dataset.choice] ?? 0;
      const number = item.querySelector(".count");
      if (number.textContent !== String(count)) number.textContent = count;
      const bar = item.querySelector("progress");
      bar.max = Math.max(news.total, 1);
      bar.value = count;
    }
    const text = `${news.total} ${news.total === 1 ? "vote" : "votes"}`;
    // Unchanged text must not be announced again.
    if (total.textContent !== text) total.textContent = text;
    if (news.closed) showClosed();
  }

  function connect() {
    const socket = new WebSocket(address);
    socket.addEventListener("open", () => {
      pause = FIRST_PAUSE;
    });
    socket.addEventListener("message", (event) => show(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      if (finished) return;
      // Spread out: after a restart all visitors come back at once.
      setTimeout(connect, pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    });
  }

  connect();
})();
