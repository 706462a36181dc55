import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { AppSpec, PageSpec } from "../entities/app-spec.ts";
import type { PageContext } from "../rooms/calls.ts";
import { Languages } from "../rooms/languages.ts";
import { Templates } from "../server/templates.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "walras-templates-"));
});
afterEach(() => rm(root, { recursive: true }));

const POINTS: CurrencyFormat = { locale: "en", code: null, decimals: 0, points: ["point", "points"] };

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

function templates(development = true): Templates {
  const page = { name: "Page" } as PageSpec;
  const app = { name: "app", title: "My app", pages: [page] } as unknown as AppSpec;
  return new Templates({
    root,
    development,
    apps: new Map([["app", app]]),
    stylesheet: "/s.css",
    liveScript: "/live.js",
    formScript: "/form.js",
    chatScript: "/chat.js",
  });
}

function context(variables: Record<string, unknown>, more: Partial<PageContext> = {}): PageContext {
  const page = { name: "Page" } as PageSpec;
  return {
    app: { name: "app", title: "My app" } as AppSpec,
    page,
    variables,
    jsVars: undefined,
    live: null,
    seatSlot: null,
    error: undefined,
    form: undefined,
    answers: {},
    currency: POINTS,
    canGoBack: false,
    ...more,
  } as PageContext;
}

/** What a page whose content is `content` shows in its form. */
async function content(
  source: string,
  variables: Record<string, unknown> = {},
  more: Partial<PageContext> = {},
): Promise<string> {
  await write("apps/app/Page.html", `{{ block content }}${source}{{ endblock }}`);
  const { html } = templates().render(context(variables, more));
  return (/autocomplete="off">\n(.*)\n<\/form>\n<form id="liveform">/s.exec(html)?.[1] ?? "").trim();
}

async function failure(
  source: string,
  variables: Record<string, unknown> = {},
  more: Partial<PageContext> = {},
): Promise<string> {
  return content(source, variables, more).then(
    () => "nothing was thrown",
    (error: Error) => error.message,
  );
}

describe("oTree's tags", () => {
  test.each([
    ["{{ if n > 2 }}a{{ elif n == 2 }}b{{ else }}c{{ endif }}", "b"],
    ["{% if n == 2 and not off %}a{% else %}b{% endif %}", "a"],
    ["{{if n}}a{{endif}}", "a"],
    ["{{ for x in xs }}{{ x }},{{ endfor }}", "p,q,"],
    ["{{ for x in [] }}{{ x }}{{ empty }}none{{ endfor }}", "none"],
    ["{{ for x in xs }}{{ loop.count }}{{ loop.index }}{{ if loop.is_last }}!{{ endif }}{{ endfor }}", "1021!"],
    ["{% for x in xs %}{{ forloop.counter }}{{ forloop.counter0 }}{% endfor %}", "1021"],
    ["{{ with a=n b='z' }}{{ a }}{{ b }}{{ endwith }}", "2z"],
    ["{{ for x in xs }}{{ with y=x }}{{ y }}{{ loop.count }}{{ endwith }}{{ endfor }}", "p1q2"],
    ["{{ with n=9 }}{{ n }}{{ endwith }}{{ n }}", "92"],
    ["a{{ comment }} {{ nothing | at_all }} {{ endcomment }}b{# gone #}c", "abc"],
    ["{# comment #}a{# extends 'x' #}{# for if in xs #}{# block content #}b{# raw\n#}", "ab"],
    ["{{ with url='?if=1&for=2' }}{{ url }}{{ endwith }}", "?if=1&amp;for=2"],
    ["{{ load otree static }}{% load otree %}a", "a"],
    ['<img src="{{ static "app/x.png" }}">', '<img src="/static/app/x.png">'],
    ["{{ player.id_in_group }}", "3"],
    ["{{ set y = n + 1 }}{{ y }}", "3"],
    ["{{ raw }}{{ n }}{{ endraw }}", "{{ n }}"],
    ["{{ if None == nil and True }}a{{ endif }}", "a"],
    ["{{ 'it\\'s }} fine'|safe }}", "it's }} fine"],
    ["{{ for key, value in map.items() }}{{ key }}={{ value }};{{ endfor }}{{ map.keys()|join('-') }}", "a=1;b=2;a-b"],
    ["{{ for a, b in pairs }}{{ a }}{{ b }},{{ endfor }}", "1x,2y,"],
    ["{{ if 'p' in xs }}yes{{ endif }}{{ if not 'z' in xs }}no{{ endif }}", "yesno"],
    ["{{ if n >= 2 and n < 3 or off }}a{{ endif }}", "a"],
    ["{{ 'a' in map }} {{ 'toString' in map }} {{ 'b' in 'abc' }} {{ 2 not in [1, 2] }}", "true false true false"],
    ["{{ n|cu }}{% if n %}{{ n|to1 }}{% endif %}", "2 points2.0"],
    ["{{ xs[-1] }}{{ xs[n - 1] }}{{ pairs[-2].1 }}", "qqx"],
    ["{{ xs.0 }}{{ xs[1] }}{{ pairs.1.1 }}{{ (xs).0 }}{{ pairs[0].1 }} {{ 1.5 }}", "pqypx 1.5"],
    ["{{ with n as m }}{{ m }}{{ endwith }}{% with xs.0 as first, n as m %}{{ first }}{{ m }}{% endwith %}", "2p2"],
    ["{{ for key, value in map.items }}{{ key }}{{ value }}{{ endfor }}{{ map.keys|length }}", "a1b22"],
    ["{{ if none_yet }}a{{ elif not none_yet and not {} }}b{{ endif }}{{ if xs and map }}c{{ endif }}", "bc"],
    ["{{ none_yet or xs.0 }}{{ xs.1 and off }}{{ 'y' if none_yet else 'z' }}{{ off or nil or 0 }}", "pfalsez0"],
    [
      "{{ if not n == 3 }}a{{ endif }}{{ if not (n == 2) }}b{{ endif }}{{ if not n in pairs.0 or off }}c{{ endif }}",
      "ac",
    ],
    [
      "{{ for key in map }}{{ key }}{{ endfor }}{{ for x in nil }}x{{ empty }}-{{ endfor }}{{ for c in 'ab' }}{{ c }}.{{ endfor }}",
      "ab-a.b.",
    ],
    ["{{ for i in range(n) }}{{ i }}{{ endfor }}{{ for x in none_yet }}x{{ else }}no{{ endfor }}", "01no"],
    ["{{ xs|default:map.a }}{{ nil|default:pairs.0.1 }}", "p,qx"],
    ["{{ block inner }}{{ n }}{{ endblock inner }}", "2"],
  ])("%s", async (source, expected) => {
    const pairs = [
      [1, "x"],
      [2, "y"],
    ];
    const map = { a: 1, b: 2 };
    const variables = {
      n: 2,
      off: false,
      nil: null,
      xs: ["p", "q"],
      none_yet: [],
      player: { id_in_group: 3 },
      map,
      pairs,
    };
    expect(await content(source, variables)).toBe(expected);
  });

  test.each("set block extends include include_sibling load static filter import macro from items".split(" "))(
    "a variable may be called %s",
    async (name) => {
      const source = `{{ ${name} }} {{ ${name}|length }} {{ ${name}.0 }} {{ if ${name} }}y{{ endif }} {{ ${name} is none }}{{ for ${name} in xs }}{{ ${name} }}{{ endfor }}`;
      expect(await content(source, { [name]: ["a", "b"], xs: [1, 2] })).toBe("a,b 2 a y false12");
    },
  );

  test.each("comment raw empty loop if not next_button chat".split(" "))(
    "a variable that is called %s, which templates could not read, is refused by name",
    async (name) => {
      const where = /^apps\/app\/Page\.html line 2: "(\w+)" is a word of the template language/;
      expect(await failure(`\n{{ for ${name} in xs }}{{ endfor }}`, { xs: [] })).toMatch(where);
      expect(await failure(`\n{{ with ${name}=1 }}{{ endwith }}`)).toMatch(where);
      expect(await failure("x", { [name]: 1 })).toBe(
        `app/Page: varsForTemplate gives a variable "${name}", which is a word of the template language. Give it another name.`,
      );
    },
  );

  test("functions are called with and without brackets", async () => {
    const player = {
      id: 3,
      in_all_rounds: () => [{ payoff: 1 }, { payoff: 2 }],
      twice(this: { id: number }) {
        return this.id * 2;
      },
    };
    const source =
      "{{ for p in player.in_all_rounds }}{{ p.payoff }}{{ endfor }}{{ player.in_all_rounds().1.payoff }}{{ player.twice }}{{ player.twice() }}{{ hello }}{{ hello('!') }}";
    expect(await content(source, { player, hello: (text = "?") => `hi${text}` })).toBe("12266hi?hi!");
  });

  test("include takes other apps' and global templates, include_sibling the app's own", async () => {
    await write("apps/app/part.html", "sibling {{ n }}");
    await write("apps/other/part.html", "other {{ n }}");
    await write("_templates/global/part.html", "global {{ n }}");
    const source =
      '{{ include_sibling "part.html" }}, {{ include "other/part.html" }}, {{ include "global/part.html" }}';
    expect(await content(source, { n: 1 })).toBe("sibling 1, other 1, global 1");
  });

  test("include hands values to what it includes, for that alone", async () => {
    await write("apps/app/part.html", "[{{ label }} {{ n }}]");
    const source =
      "{{ include_sibling 'part.html' with label='a b' n=2 }}{{ include 'app/part.html' with label=n }}{{ n }}";
    expect(await content(source, { n: 1 })).toBe("[a b 2][1 1]1");
  });

  test("has the classes that oTree's stylesheets know", async () => {
    await write(
      "apps/app/Page.html",
      "{{ block title }}T{{ endblock }}{{ block content }}{{ next_button }}{{ endblock }}",
    );
    const timer = { left: 90_500, text: "Hurry:" };
    const { html } = templates().render(context({}, { error: "Wrong", timer }));
    expect(html).toMatch(/<div class="otree-body container" role="main">\s*<h2 class="otree-title" aria-level="1">T</);
    expect(html).toMatch(
      /class="otree-timer" role="timer"><span class="otree-timer__text">Hurry:<\/span> <span class="otree-timer__time-left">1:31</,
    );
    expect(html).toMatch(/<div class="otree-form-errors alert alert-danger" role="alert"[^>]*>Wrong</);
    expect(html).toContain('class="otree-btn-next btn btn-primary"');
  });

  test("next_button submits the page's form", async () => {
    const button = /^<p class="otree-btn-next-row"><button class="otree-btn-next btn btn-primary">Next<\/button><\/p>$/;
    expect(await content("{{ next_button }}")).toMatch(button);
    expect(await content("{% load otree %}{% next_button %}{% back_button %}{% formfields %}")).toMatch(button);
  });
});

describe("filters", () => {
  test.each([
    ["{{ 1.005|to2 }} {{ 2.5|to0 }} {{ 1234.5|to1 }} {{ 1|to4 }} {{ '3'|to3 }}", "1.01 3 1234.5 1.0000 3.000"],
    ["{{ 1|cu }}, {{ 1200|cu }}", "1 point, 1,200 points"],
    [
      "{{ nothing|default:'x' }} {{ nil|default('y') }} {{ player.nothing|default:\"z\" }} {{ 0|default(1) }}",
      "x y z 0",
    ],
    ["{{ 1|c }} {{ 'Next'|gettext }} {{ 'ab'|upper }} {{ data|json }}", "1 point Next AB {&quot;a&quot;:[1,null]}"],
    ["{{ -0.001|to2 }} {{ -1.5|to0 }} {{ 2.675|to2 }} {{ 0.045|to2 }}", "0.00 -2 2.68 0.05"],
    ["{{ text|linebreaksbr }}", "a &lt;b&gt;<br>c<br><br><br>d"],
    ["{{ text|linebreaks }}", "<p>a &lt;b&gt;<br>c</p><p>d</p>"],
    ["{{ xs|length }} {{ '<b>'|escape }} {{ '<b>'|safe }}", "2 &lt;b&gt; <b>"],
    ["{{ nothing is defined }} {{ xs is defined }}", "false true"],
  ])("is filtered: %s", async (source, expected) => {
    expect(
      await content(source, { nil: null, player: {}, xs: [1, 2], text: "a <b>\r\nc\n\n\nd", data: { a: [1, null] } }),
    ).toBe(expected);
  });
});

test("gettext says in the session's language what Walras itself says, and leaves the author's texts", async () => {
  const german = new Languages({ currency: POINTS }).of("de");
  expect(await content("{{ 'Next'|gettext }} {{ 'My own'|gettext }}", {}, { language: german })).toBe("Weiter My own");
});

describe("the base page", () => {
  test("shows the title twice, the error, and the blocks of a page", async () => {
    await write(
      "apps/app/Page.html",
      "{{ block title }}Round {{ n }} & on{{ endblock }}{{ block content }}x{{ endblock }}{{ block styles }}<style>a{}</style>{{ endblock }}{{ block scripts }}<script>1</script>{{ endblock }}",
    );
    const { html, nonce } = templates().render(context({ n: "<1>" }, { error: "No & no" }));
    expect(html).toContain("<title>Round &lt;1&gt; & on</title>");
    expect(html).toContain('<h2 class="otree-title" aria-level="1">Round &lt;1&gt; & on</h2>');
    expect(html).toContain("No &amp; no");
    expect(html).toMatch(/<style>a\{\}<\/style>\s*<\/head>/);
    expect(html).toMatch(new RegExp(`</div>\\s*<script nonce="${nonce}">1</script>\\s*</body>`));
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(html).toContain('<form id="form" class="otree-form" method="post"');
  });

  test("has a Back button where the page can be left so, in the row of Next or where the template puts it", async () => {
    const both = await content("{{ next_button }}", {}, { canGoBack: true });
    expect(both).toMatch(
      /Next<\/button> <button class="otree-btn-back btn" name="_walras_back" value="1" formnovalidate>/,
    );
    expect(await content("{{ next_button }}{{ back_button }}")).not.toContain("Back");
    const own = await content("<i>{{ back_button }}</i>{{ next_button }}", {}, { canGoBack: true });
    expect(own.match(/_walras_back/g)).toHaveLength(1);
    expect(own).toMatch(/<i><button class="otree-btn-back/);
    // Enter in an input presses the first button.
    expect(own).toMatch(/^<button class="visually-hidden" tabindex="-1" aria-hidden="true"><\/button>/);
    const far = await content(
      "{{ if back_button }}{{ back_button 2 }}{{ back_button(3) }}{{ endif }}",
      {},
      { canGoBack: true },
    );
    expect(far).toMatch(/value="2".*value="3"/);
    expect(await content("[{{ if back_button }}x{{ endif }}{{ back_button 2 }}]")).toBe("[]");
    expect(await failure("\n{{ back_button(0) }}", {}, { canGoBack: true })).toMatch(
      /line 2: \{\{ back_button 0 \}\}: say how many/,
    );
  });

  test("of the project's own in _templates/global/Page.html comes first", async () => {
    await write(
      "_templates/global/Page.html",
      '{{ extends "otree/Page.html" }}{{ block global_scripts }}<i>mine</i>{{ endblock }}',
    );
    await content("x");
    expect(templates().render(context({})).html).toContain("<i>mine</i>");
    // It extends ours also if it does not say so.
    await write("_templates/global/Page.html", "{{ block global_styles }}<b>mine too</b>{{ endblock }}");
    expect(templates().render(context({})).html).toMatch(/<b>mine too<\/b>.*<form id="form".*x.*<\/form>/s);
  });

  test("of an app's own in _base.html wraps its pages, within the project's", async () => {
    await write(
      "apps/app/_base.html",
      "{{ block app_styles }}<style>app{}</style>{{ endblock }}{{ block app_scripts }}<script>app</script>{{ endblock }}",
    );
    await write(
      "_templates/global/Page.html",
      '{{ extends "otree/Page.html" }}{{ block global_scripts }}<i>lab</i>{{ endblock }}',
    );
    await write("apps/other/Page.html", "{{ block content }}other{{ endblock }}");
    await content("x");
    const { html } = templates().render(context({}));
    expect(html).toMatch(/<style>app\{\}<\/style>.*<i>lab<\/i><script nonce="[\w-]+">app<\/script>/s);
  });

  test("gives its blocks to be added to", async () => {
    await write("apps/app/_base.html", "{{ block styles }}<style>base</style>{{ endblock }}");
    await write(
      "apps/app/Page.html",
      "{{ block content }}x{{ endblock }}{{ block styles }}{{ block.super }}<style>page</style>{{ endblock }}",
    );
    expect(templates().render(context({})).html).toContain("<style>base</style><style>page</style>");
  });

  test("loads the live script first of all, with the seat's place once, on live pages only", async () => {
    const slot = "slot-of-128-bits";
    await content("<script>early()</script>");
    const live = templates().render(context({}, { live: {} as PageContext["live"], seatSlot: slot })).html;
    expect(live.indexOf('src="/live.js"')).toBe(live.indexOf("src="));
    expect(live.indexOf('src="/live.js"')).toBeLessThan(live.indexOf("<title>"));
    expect(live).toContain(`id="walras-live">${slot}</script>`);
    expect(live.split(slot)).toHaveLength(2);
    expect(templates().render(context({})).html).not.toContain("/live.js");
  });

  test("defines js_vars before the content", async () => {
    const jsVars = { list: [1, null], text: "</script><!-- \u2028 &" };
    await content("<script>use(js_vars)</script>");
    const { html } = templates().render(context({}, { jsVars }));
    const text = /var js_vars = (.*?);<\/script>/.exec(html)?.[1] ?? "";
    expect(text).not.toMatch(/[<>&\u2028]/);
    expect(JSON.parse(text)).toEqual(jsVars);
    expect(html.indexOf("var js_vars")).toBeLessThan(html.indexOf("use(js_vars)"));
  });
});

describe("a wait page", () => {
  const wait = { title: "One <moment>", body: "They & we", line: "2 of 3 players are here." };
  const shown = () => {
    const page = { name: "Wait", wait: {} } as PageSpec;
    const app = { name: "app", title: "My app", pages: [page] } as unknown as AppSpec;
    const all = new Templates({
      root,
      development: true,
      apps: new Map([["app", app]]),
      stylesheet: "/s.css",
      liveScript: "/live.js",
      formScript: "/form.js",
      chatScript: "/chat.js",
    });
    all.check();
    return all.render({ ...context({ n: 2 }, { wait }), app, page }).html;
  };

  test("needs no template: title, text, who is missing", () => {
    const html = shown();
    expect(html).toContain('<h2 class="otree-title" aria-level="1">One &lt;moment&gt;</h2>');
    expect(html).toMatch(
      /<div class="otree-wait-page">.*<p>They &amp; we<\/p>.*id="walras-waiting" role="status">2 of 3/s,
    );
    expect(html).not.toContain("<button");
  });

  test("has a template of its own, or the project's _templates/global/WaitPage.html, which may extend ours", async () => {
    await write(
      "_templates/global/WaitPage.html",
      '{{ extends "otree/WaitPage.html" }}{{ block content }}<i>lab</i> {{ body_text }} {{ waiting }}{{ endblock }}',
    );
    expect(shown()).toMatch(/One &lt;moment&gt;<\/h2>.*<i>lab<\/i> They &amp; we <span id="walras-waiting"/s);
    await write("_templates/global/WaitPage.html", "{{ block content }}<i>calm</i> {{ waiting }}{{ endblock }}");
    expect(shown()).toMatch(/<html.*<i>calm<\/i> <span id="walras-waiting"/s);
    await write(
      "apps/app/Wait.html",
      "{{ block title }}Own{{ endblock }}{{ block content }}{{ title_text }}: {{ n }}{{ endblock }}",
    );
    expect(shown()).toMatch(/Own<\/h2>.*One &lt;moment&gt;: 2/s);
    expect(shown()).not.toContain("<i>lab</i>");
  });
});

describe("what a participant has typed", () => {
  const EVIL = `"><script>steal()</script><img src=x onerror=steal()>'\\\n\`\${steal()}&amp;`;
  const parse = (text: string) => JSON.parse(text);
  /** As a browser reads an attribute or text. */
  const decode = (html: string) =>
    html.replace(/&(?:#(\d+)|(lt|gt|quot|amp));/g, (_all, code?: string, name = "") =>
      code === undefined
        ? ({ lt: "<", gt: ">", quot: '"', amp: "&" }[name as string] ?? "")
        : String.fromCharCode(Number(code)),
    );
  const run = (code: string): unknown => new Function(`return ${code}`)();

  test("stays text in text and attributes, with and without quotes", async () => {
    const text = await content("{{ evil }}", { evil: EVIL });
    expect(text).not.toMatch(/[<>"']/);
    expect(decode(text)).toBe(EVIL);
    const quoted = await content('<input value="{{ evil }}" id=a>', { evil: EVIL });
    expect(decode(/^<input value="([^"]*)" id=a>$/.exec(quoted)?.[1] ?? "")).toBe(EVIL);
    const bare = await content("<input value={{ evil }} id=a>", { evil: EVIL });
    expect(decode(/^<input value=([^\s>"'=`]*) id=a>$/.exec(bare)?.[1] ?? "")).toBe(EVIL);
  });

  test("stays a string inside a script, in quotes of every kind and as JSON", async () => {
    for (const quote of ['"', "'", "`"]) {
      const script = await content(`<script>x = ${quote}{{ evil }}${quote}</script>`, { evil: EVIL });
      const code = /^<script nonce="[\w-]+">x = ([^<]*)<\/script>$/.exec(script)?.[1] ?? "";
      expect(run(code)).toBe(EVIL);
    }
    const json = await content("<script>x = {{ data|json }}</script>", { data: { evil: EVIL } });
    const code = /^<script nonce="[\w-]+">x = ([^<]*)<\/script>$/.exec(json)?.[1] ?? "";
    expect(run(`(${code})`)).toEqual({ evil: EVIL });
    expect(
      await content("<script>x = {{ n }} + {{ yes }} + {{ nil }}</script>", { n: 1.5, yes: true, nil: null }),
    ).toMatch(/x = 1.5 \+ true \+ null</);
  });

  test("stays a string inside an inline handler, which the browser decodes before it runs", async () => {
    const handler = await content(`<b onclick="x('{{ evil }}')">`, { evil: EVIL });
    const code = decode(/^<b onclick="([^"]*)">$/.exec(handler)?.[1] ?? "").replace(/^x/, "");
    expect(run(code)).toBe(EVIL);
    const json = await content('<b onclick="{{ evil|json }}">', { evil: EVIL });
    expect(run(decode(/^<b onclick="([^"]*)">$/.exec(json)?.[1] ?? ""))).toBe(EVIL);
  });

  test("as JSON in an attribute cannot leave it", async () => {
    const html = await content('<b data-x="{{ evil|json }}">', { evil: EVIL });
    expect(parse(decode(/^<b data-x="([^"]*)">$/.exec(html)?.[1] ?? ""))).toBe(EVIL);
  });

  test("never gets a nonce; only script tags of the template's source do", async () => {
    const source = `<script>a</script><SCRIPT src="/x.js"></SCRIPT><!-- <script>no</script> --><p title="<script>">
      {{ evil|safe }}<script>s = "<script>"</script>`;
    const html = await content(source, { evil: "<script>steal()</script>" });
    expect(html.match(/nonce="/g)).toHaveLength(3);
    expect(html).toContain("<script>steal()</script>");
    expect(html).toContain('title="<script>"');
    expect(html).toContain("<!-- <script>no");
  });

  test("meets another nonce on every page", async () => {
    await content("<script>a</script>");
    const all = templates();
    const nonces = Array.from({ length: 20 }, () => all.render(context({})).nonce);
    expect(new Set(nonces).size).toBe(20);
    for (const nonce of nonces) expect(nonce).toMatch(/^[\w-]{22}$/);
  });
});

describe("a mistake in a template", () => {
  test.each([
    ["a\n\n{{ missing }}", /^apps\/app\/Page\.html line 3: There is no variable missing\. The template has: .*n, .*/],
    ["{{ if missing }}a{{ endif }}", /line 1: There is no variable missing/],
    ["\n{{ for x in missing }}a{{ endfor }}", /line 2: There is no variable missing/],
    ["\n{{ player.agee }}", /line 2: player\.agee is undefined/],
    ["\n{{ one.agee }}", /line 2: one\.agee is undefined\. Did you mean age\?/],
    ["\n{{ one.get_age_display }}", /line 2: .* is undefined\. Write one\.field_display\("age"\)\./],
    [
      "\n{{ for x in [1] }}{{ loop.counter }}{{ endfor }}",
      /line 2: loop\.counter is undefined\. .* loop\.count \(from 1\)/,
    ],
    ["\n{{ nil.age }}", /line 2: nil\.age cannot be read/],
    ["\n{{ n|too2 }}", /line 2: There is no filter too2\. Did you mean to2\?/],
    ["\n{{ n|floatformat:2 }}", /line 2: There is no filter floatformat\. The usual ones are cu, json/],
    ["\n{{ playr.x }}", /line 2: There is no variable playr\. Did you mean player\?/],
    ["\n{{ cu(n) }}", /line 2: There is no variable cu\. cu is a filter: \{\{ x\|cu \}\}/],
    ["\n{{ if n = 1 }}a{{ endif }}", /line 2: The condition of \{\{ if \}\} cannot be read\. Compare by ==/],
    ["\n{{ for n of xs }}a{{ endfor }}", /line 2: A loop is written \{\{ for x in list \}\}/],
    [
      "\n{{ for i in n }}a{{ endfor }}",
      /line 2: n is no list that \{\{ for \}\} could go through, but 1 \(a number\)\. .*range\(n\)/,
    ],
    ["\n{{ if 1 in n }}a{{ endif }}", /line 2: Nothing can be in n: it is 1 \(a number\)/],
    ['\n{{ chat nickname="P" ~ n }}', /line 2: What \{\{ chat \}\} is given .* Make it in varsForTemplate/],
    ["\n{{ n x }}", /line 2: This is neither a value nor a tag/],
    ["\n{% trans 'a' %}", /line 2: There is no tag \{% trans %\}/],
    ["\n{{ n(1) }}", /line 2: n is no function that could be called/],
    ["\n{{ fails() }}", /line 2: too early\./],
    ["\n{{ formfield 'age' }}", /line 2: \{\{ formfield "age" \}\}: page Page has no formFields/],
    ["\n{{ player|to2 }}", /line 2: the filter to2 needs a number and got/],
    ["\n{{ 'x'|cu }}", /line 2: the filter cu needs a number and got "x"/],
    ["\n{{ comment }} and so on", /line 2: \{\{ comment \}\} is never closed/],
    ["\n\n{{ n", /line 3: \{\{ is never closed by \}\}/],
    ["\n{{ if n }}a", /line 2: \{\{ endblock \}\} closes nothing here\. Is a tag above it not closed\?/],
    ["\n{{ throws.here }}", /line 2: never set/],
    [
      '\n{{ include "global/nowhere.html" }}',
      /^apps\/app\/Page\.html line 2: There is no template global\/nowhere\.html\. .*_templates\/global\/nowhere\.html and apps\/global/,
    ],
  ])("%j is named with file and line", async (source, expected) => {
    const throws = {
      get here() {
        throw new Error("never set");
      },
    };
    const fails = () => {
      throw new Error("too early");
    };
    expect(await failure(source, { n: 1, nil: null, player: {}, one: { age: 1 }, throws, fails })).toMatch(expected);
  });

  test("in an included file names that file", async () => {
    await write("apps/app/part.html", "\n\n{{ missing }}");
    expect(await failure('{{ include_sibling "part.html" }}')).toMatch(
      /^apps\/app\/part\.html line 3: There is no variable missing/,
    );
  });

  test("shows at start: a missing file, a page without content, broken syntax, a filter that there is not", async () => {
    expect(() => templates().check()).toThrow(/There is no template app\/Page\.html.*apps\/app\/Page\.html/);
    await write("apps/app/Page.html", "<p>Hello</p>");
    expect(() => templates().check()).toThrow(/Page\.html line 1: has no \{\{ block content \}\}/);
    await write("apps/app/Page.html", "{{ block content }}\n{{ n + }}{{ endblock }}");
    expect(() => templates().check()).toThrow(/Page\.html line 2: /);
    await write("apps/app/Page.html", "{{ block content }}\n{{ if n }}{{ n|yesno }}{{ endif }}{{ endblock }}");
    expect(() => templates().check()).toThrow(/Page\.html line 2: There is no filter yesno\./);
    await write("apps/app/Page.html", "{{ block content }}\n{{ include_sibling 'part.html' }}{{ endblock }}");
    expect(() => templates().check()).toThrow(/apps\/app\/Page\.html line 2: There is no template app\/part\.html/);
    await write("apps/app/part.html", "\n\n{{ if }}");
    expect(() => templates().check()).toThrow(/apps\/app\/part\.html line 3: /);
    await write("apps/app/part.html", "{{ include 'app/part.html' }}{{ include n }}{{ include 'x' ignore missing }}");
    templates().check();
    await write("apps/app/Page.html", "{{ extends 'global/Pag.html' }}{{ block content }}x{{ endblock }}");
    expect(() => templates().check()).toThrow(/apps\/app\/Page\.html line 1: There is no template global\/Pag\.html/);
  });
});

test("an edited template shows at once in development, and not in production", async () => {
  await write("apps/app/Page.html", "{{ block content }}first{{ endblock }}");
  const [live, fixed] = [templates(true), templates(false)];
  for (const one of [live, fixed]) expect(one.render(context({})).html).toContain("first");
  await write("apps/app/Page.html", "{{ block content }}the second{{ endblock }}");
  expect(live.render(context({})).html).toContain("the second");
  expect(fixed.render(context({})).html).toContain("first");
});
