/**
 * A slider without a default mark. The range input always has a value and no name; the hidden input beside it
 * carries the answer, and stays empty until the participant touches the line.
 */
export function watchSlider(range: HTMLInputElement): void {
  const box = range.parentElement;
  const hidden = box?.querySelector<HTMLInputElement>("input[type=hidden]");
  if (!box || !hidden) return;
  const output = box.querySelector("output");
  const show = () => {
    const text = inWords(range);
    if (output) output.textContent = text;
    range.setAttribute("aria-valuetext", text);
  };
  const answer = () => {
    box.classList.remove("untouched");
    hidden.value = range.value;
    show();
    hidden.dispatchEvent(new Event("input", { bubbles: true }));
  };
  if (hidden.value !== "") {
    // Answered before a reload, perhaps, of which the line itself knows nothing.
    range.value = hidden.value;
    box.classList.remove("untouched");
    show();
  }
  range.addEventListener("input", answer);
  // A tap where the invisible mark stands changes nothing, and is an answer all the same.
  range.addEventListener("click", answer);
  range.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    answer();
  });
}

function inWords({ value, step, dataset }: HTMLInputElement): string {
  const digits = (step.split(".")[1] ?? "").length;
  const { locale, before = "", after = "" } = dataset;
  const number = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${before}${number.format(Number(value))}${after === "" ? "" : ` ${after}`}`;
}
