/** What `import ... from "walras"` means for bots that play in a browser: there is no server to define apps for. */
export { defineBots } from "./define-bots.ts";
