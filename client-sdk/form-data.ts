/** What the server hands to the script of a page's form, as JSON in `<script type="application/json" id="walras-form">`. */
export interface PageFormData {
  /** What the inputs should hold that the author wrote by hand, by name. */
  answers: Record<string, string>;
  /** What is wrong with which input, in the order of the page. */
  errors: Record<string, string>;
  /** The page comes back after a submit that was refused: what is not in `answers` was left empty. */
  failed: boolean;
  /** What is typed is kept through reloads. */
  keeps?: true;
  /** Set: milliseconds that were left for the page when it was made, and words for `{seconds}` that are left. */
  timer?: { left: number; announce: string };
}

/** Marks inputs that the server filled in by itself. */
export const FILLED_MARK = "data-walras";
