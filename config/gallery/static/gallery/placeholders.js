/* Moves the pictures out of their boxes for a while, so that the placeholders behind them are seen. */
const button = document.querySelector("[data-hold]");
const pictures = document.querySelectorAll(".row img");
button.hidden = false;
button.addEventListener("click", () => {
  pictures.forEach(image => { image.style.objectPosition = "-9999px 0"; });
  setTimeout(() => pictures.forEach(image => { image.style.objectPosition = ""; }), 2500);
});
