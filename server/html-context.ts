/** Where in the HTML a template puts a value, which decides how the value must be escaped. */
export type Place =
  /** Text, or an attribute value in quotes: HTML escapes suffice. */
  | "html"
  /** An attribute value without quotes, where a blank would begin another attribute. */
  | "unquoted"
  /** Inside a script element, where HTML escapes mean nothing and JavaScript's are needed. */
  | "script"
  /** An `onclick="…"` or its like: JavaScript, which the browser reads after it undid the HTML escapes. */
  | "handler"
  | "unquoted handler";

/** Elements whose content the browser does not read as tags. */
const RAW = new Set(["script", "style", "textarea", "title"]);

/**
 * Follows a template's HTML from tag to tag. Escaping for HTML alone is not enough: in
 * `onclick="pick('{{ name }}')"` the browser turns `&#39;` back into a quote before JavaScript reads
 * it, so that a participant's name could run as code on another participant's page.
 *
 * It also puts the CSP nonce on the script tags of the source. Text that a participant typed comes into
 * the page later, as a value, and so never gets one.
 */
export class HtmlContext {
  #state: "text" | "comment" | "tag" | "value" | "raw" = "text";
  #element = "";
  #attribute = "";
  #quote = "";

  get place(): Place {
    if (this.#state === "raw" && this.#element === "script") return "script";
    if (this.#state !== "value") return "html";
    const handler = /^on/i.test(this.#attribute);
    if (this.#quote === "") return handler ? "unquoted handler" : "unquoted";
    return handler ? "handler" : "html";
  }

  /** Reads the HTML up to the next template tag. Returns it with `nonce` (an attribute) on script tags. */
  read(html: string, nonce: string): string {
    let rest = html;
    let out = "";
    const take = (length: number): string => {
      const taken = rest.slice(0, length);
      rest = rest.slice(length);
      out += taken;
      return taken;
    };
    while (rest !== "") {
      switch (this.#state) {
        case "text": {
          take(upTo(rest, "<"));
          if (rest.startsWith("<!--")) {
            take(4);
            this.#state = "comment";
          } else {
            const tag = /^<(\/?)([a-z][^\s/>]*)/i.exec(rest);
            if (tag === null) {
              take(1);
              break;
            }
            take(tag[0].length);
            // A closing tag is followed by text again, never by raw text.
            this.#element = tag[1] === "/" ? "" : (tag[2] ?? "").toLowerCase();
            if (this.#element === "script") out += ` ${nonce}`;
            this.#state = "tag";
          }
          break;
        }
        case "comment": {
          const end = upTo(rest, "-->");
          if (end < rest.length) this.#state = "text";
          take(end + 3);
          break;
        }
        case "tag": {
          if (rest.startsWith(">")) {
            take(1);
            this.#state = RAW.has(this.#element) ? "raw" : "text";
            break;
          }
          const attribute = /^([^\s=>"'/]*)\s*=\s*(["']?)/.exec(rest);
          if (attribute === null) {
            take(/^[^\s=>"'/]+|^./s.exec(rest)?.[0].length ?? 1);
            break;
          }
          take(attribute[0].length);
          this.#attribute = attribute[1] ?? "";
          this.#quote = attribute[2] ?? "";
          this.#state = "value";
          break;
        }
        case "value": {
          if (this.#quote !== "") {
            const end = upTo(rest, this.#quote);
            if (end < rest.length) this.#state = "tag";
            take(end + 1);
          } else {
            const end = rest.search(/[\s>]/);
            if (end >= 0) this.#state = "tag";
            take(end < 0 ? rest.length : end);
          }
          break;
        }
        case "raw": {
          const end = rest.search(new RegExp(`</${this.#element}`, "i"));
          if (end >= 0) this.#state = "text";
          take(end < 0 ? rest.length : end);
          break;
        }
      }
    }
    return out;
  }
}

/** Index of `what` in `text`, its length if it is not there. */
function upTo(text: string, what: string): number {
  const index = text.indexOf(what);
  return index < 0 ? text.length : index;
}
