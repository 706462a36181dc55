/**
 * What forms say to participants. `{min}` and its like stand for values; {@link fill} puts them in.
 * Language packs replace the texts key by key.
 */
export const FORM_TEXTS = {
  fixErrors: "Please fix the errors.",
  required: "This field is required.",
  wholeNumber: "Please enter a whole number, such as {example}.",
  number: "Please enter a number, such as {example}.",
  ambiguous: "Please write the number without a mark between thousands: {plain} or {fraction}?",
  tooLarge: "This number is too large.",
  between: "Value must be between {min} and {max}.",
  atLeast: "Value must be at least {min}.",
  atMost: "Value must be at most {max}.",
  notAChoice: "Please choose one of the answers.",
  tooLong: "Please shorten the text to {max} characters; it has {length}.",
  notReadable: "This answer cannot be read.",
  yes: "Yes",
  no: "No",
  emptyChoice: "--------",
  timeLeft: "Time left to complete this page:",
  secondsLeft: "{seconds} seconds left",
  next: "Next",
  back: "Back",
  sliderUntouched: "Touch the line to answer.",
} as const satisfies Record<string, string>;

export type FormTextKey = keyof typeof FORM_TEXTS;
export type FormTexts = Readonly<Record<FormTextKey, string>>;

/** Puts values into the places of a text. */
export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}
