import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import {
  type App,
  boolean,
  checkbox,
  currency,
  defineApp,
  float,
  integer,
  json,
  likert,
  longText,
  radio,
  radioHorizontal,
  slider,
  text,
} from "../index.ts";
import type { PageContext } from "../rooms/calls.ts";
import { FORM_TEXTS } from "../rooms/form-texts.ts";
import { NO_ERRORS, PageForm } from "../rooms/page-form.ts";
import { Templates } from "../server/templates.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "walras-widgets-"));
  await mkdir(join(root, "apps/app"), { recursive: true });
});
afterAll(() => rm(root, { recursive: true }));

const EURO: CurrencyFormat = { locale: "de", code: "EUR", decimals: 2, points: ["point", "points"] };
const EVIL = `"><script>steal()</script>'`;

const app = defineApp({
  name: "app",
  player: {
    name: text({ label: `Your ${EVIL} name`, helpText: "First & last", maxLength: 40 }),
    age: integer({ min: 0 }),
    debt: integer({ min: -5 }),
    share: float(),
    bid: currency(),
    story: longText(),
    color: text({ choices: ["red", [EVIL, "Evil <b>"]] }),
    size: integer({ choices: [1, 2], widget: radio(), blank: true }),
    happy: boolean(),
    agree: boolean({ widget: checkbox(), label: "I agree" }),
    mood: text({ choices: ["bad", "good"], widget: radioHorizontal() }),
    q1: integer({ widget: likert({ labels: ["No", "So so", "Yes"] }) }),
    q2: integer({ widget: likert({ labels: ["No", "So so", "Yes"] }) }),
    q3: integer({ widget: likert({ points: 5, low: "Low", high: "High" }) }),
    heat: integer({ widget: slider({ min: -10, max: 40, step: 5, low: "Cold", high: "Hot" }) }),
    log: json(),
    weight: float({ unit: "kg <net>" }),
  },
}) as unknown as App<never, never, never, never>;

type Shown = {
  values?: Record<string, string | number | boolean>;
  posted?: Record<string, string>;
  errors?: Record<string, string>;
};

/** The HTML of a page's form whose content is `source`. */
async function render(source: string, fields: string[], shown: Shown = {}): Promise<string> {
  await writeFile(join(root, "apps/app/Page.html"), `{{ block content }}${source}{{ endblock }}`);
  const form = new PageForm(
    { model: "player", fields, rules: {} },
    app.spec.player,
    "app/Page",
    { texts: FORM_TEXTS, currency: EURO },
    () => {
      throw new Error("no function of an author is here to be called");
    },
  );
  const { errors, posted, values = {} } = shown;
  const wrong = errors === undefined ? NO_ERRORS : { page: undefined, fields: new Map(Object.entries(errors)) };
  const stored = (field: string) => values[field] ?? null;
  const page = { name: "Page" };
  const templates = new Templates({
    root,
    development: true,
    apps: new Map([["app", { ...app.spec, pages: [page] } as never]]),
    stylesheet: "/s.css",
    liveScript: "/l.js",
    formScript: "/f.js",
    chatScript: "/c.js",
  });
  const context = {
    app: app.spec,
    page,
    variables: {},
    jsVars: undefined,
    live: null,
    seatSlot: null,
    currency: EURO,
    canGoBack: false,
    error: errors === undefined ? undefined : "Please fix the errors.",
    form: form.show(stored, posted, wrong),
    answers: posted ?? form.answers(stored),
  } as unknown as PageContext;
  return templates.render(context).html.replace(/\s+/g, " ");
}

describe("each kind of field has its input", () => {
  test.each<[string, RegExp]>([
    ["name", /<input type="text" class="form-control" name="name" value="" maxlength="40" id="id_name"/],
    ["age", /<input type="text" class="form-control number" name="age" value="" inputmode="numeric"/],
    ["debt", /<input type="text" class="form-control number" name="debt" value="" id=/],
    ["share", /name="share" value="" inputmode="decimal"/],
    [
      "bid",
      /<div class="input-group currency"><input [^>]*name="bid"[^>]*inputmode="decimal"[^>]*><span class="input-group-text">€<\/span><\/div>/,
    ],
    ["story", /<textarea class="form-control" name="story" rows="5" id="id_story"[^>]*> <\/textarea>/],
    [
      "color",
      /<select class="form-select" name="color" id="id_color"[^>]*><option value="" selected>--------<\/option><option value="red">red<\/option>/,
    ],
    [
      "size",
      /<div class="radio-group" id="id_size" role="radiogroup" aria-labelledby="id_size-label" aria-label="Size"><div class="form-check"><input type="radio"[^>]* id="id_size-0" name="size" value="1"[^>]*> <label class="form-check-label" for="id_size-0">1</,
    ],
    ["happy", /value="true"[^>]*> <label[^>]*>Yes<\/label>.*value="false"[^>]*> <label[^>]*>No<\/label>/],
    [
      "agree",
      /<input type="checkbox" class="form-check-input" name="agree" value="true" id="id_agree"[^>]*> <label class="form-check-label" for="id_agree">I agree<\/label>/,
    ],
    ["mood", /<div class="radio-group horizontal" id="id_mood" role="radiogroup"/],
    [
      "q3",
      /<div class="likert few"[^>]*><span class="likert-end low">Low<\/span>.*value="5".*<span class="likert-end high">High<\/span>/,
    ],
    [
      "heat",
      /<div class="slider untouched"><output for="id_heat">Touch the line to answer\.<\/output><input type="range" class="form-range" min="-10" max="40" step="5"[^>]*><div class="slider-ends"><span>Cold<\/span><span>Hot<\/span><\/div><input type="hidden" name="heat" value=""/,
    ],
    ["log", /<input type="hidden" id="id_log" name="log" value=""/],
  ])("%s", async (field, expected) => {
    expect(await render("{{ formfields }}", [field])).toMatch(expected);
  });

  test("a number's unit stands behind its input", async () => {
    const html = await render('{{ formfield "weight" }}', ["weight"], { values: { weight: 2.5 } });
    expect(html).toMatch(
      /name="weight" value="2,5" inputmode="decimal"[^>]*><span class="input-group-text">kg &lt;net&gt;</,
    );
    expect(() => defineApp({ name: "a", player: { x: text({ unit: "kg" } as never) } })).toThrow(
      /has no option "unit"/,
    );
  });

  test("with its label, its help, and whether an answer is required", async () => {
    const html = await render("{{ formfields }}", ["name", "size", "age"]);
    expect(html).toContain(
      '<label class="form-label" for="id_name">Your &quot;&gt;&lt;script&gt;steal()&lt;/script&gt;&#39; name</label>',
    );
    expect(html).toContain('<div class="form-text" id="id_name-help">First &amp; last</div>');
    expect(html).toMatch(/id="id_name"[^>]* aria-required="true" aria-describedby="id_name-help"/);
    expect(html).toContain('<label class="form-label" for="id_age">Age</label>');
    expect(/id="id_size"[^>]*>/.exec(html)?.[0]).not.toContain("aria-required");
    expect(html).not.toContain("<script>steal");
  });
});

test("a slider's ends are limits for the server too", () => {
  const none = () => {
    throw new Error("no function of an author is here to be called");
  };
  const language = { texts: FORM_TEXTS, currency: EURO };
  const form = new PageForm({ model: "player", fields: ["heat"], rules: {} }, app.spec.player, "x", language, none);
  expect(form.read({ heat: "40" }).values).toEqual({ heat: 40 });
  expect(form.read({ heat: "41" }).errors.get("heat")).toBe("Value must be between -10 and 40.");
  // Those of its field come first, and 0 to 100 last.
  const debt = new PageForm(
    { model: "player", fields: ["debt"], rules: { debt: { widget: slider({ min: -50 }), max: 20 } } },
    app.spec.player,
    "x",
    language,
    none,
  );
  expect(debt.read({ debt: "-6" }).errors.get("debt")).toBe("Value must be between -5 and 20.");
  const age = new PageForm(
    { model: "player", fields: ["age"], rules: { age: { widget: slider() } } },
    app.spec.player,
    "x",
    language,
    none,
  );
  expect(age.read({ age: "101" }).errors.get("age")).toBe("Value must be between 0 and 100.");
});

describe("what is stored or was typed is in the input again", () => {
  test("stored, as the language writes it; for programs with a point", async () => {
    const values = {
      share: 1.5,
      bid: 2.5,
      age: 30,
      color: EVIL,
      size: 2,
      happy: false,
      agree: true,
      heat: 15,
      story: "\n<b>",
    };
    const html = await render("{{ formfields }}", Object.keys(values), { values });
    expect(html).toMatch(/name="share" value="1,5"/);
    expect(html).toMatch(/name="bid" value="2,50"/);
    expect(html).toMatch(/value="&quot;[^"]*" selected>Evil &lt;b&gt;/);
    expect(html).toMatch(/name="size" value="2" checked/);
    expect(html).toMatch(/name="happy" value="false" checked/);
    expect(html).toMatch(/name="agree" value="true" checked/);
    expect(html).toMatch(
      /<div class="slider"><output for="id_heat">15<\/output>.* value="15".*<input type="hidden" name="heat" value="15"/,
    );
    expect(html).toContain("&lt;b&gt;</textarea>");
    // For inputs that the author wrote.
    expect(JSON.parse(/id="walras-form">(.*?)<\/script>/.exec(html)?.[1] ?? "").answers).toMatchObject({
      share: "1.5",
      happy: "false",
    });
  });

  test("typed, to the letter, after a failed submit, with the error beside it and the focus on the first", async () => {
    const html = await render("{{ formfields }}", ["age", "share", "mood"], {
      values: { age: 5 },
      posted: { age: `x${EVIL}`, share: "1,5", _walras_outbox: "[]", raw: "kept" },
      errors: { age: "No <number>", mood: "Required" },
    });
    expect(html).toMatch(/name="age" value="x&quot;/);
    expect(html).toMatch(/id="id_age"[^>]* aria-invalid="true" aria-describedby="id_age-error" autofocus>/);
    expect(html).toContain('<div class="form-control-errors" id="id_age-error">No &lt;number&gt;</div>');
    expect(html).toContain('<div class="form-control-errors" id="id_share-error"></div>');
    expect(html).toMatch(
      /<div class="otree-form-errors alert alert-danger" role="alert" tabindex="-1">Please fix the errors\.<ul><li><a href="#id_age">Age<\/a>: No &lt;number&gt;<\/li>/,
    );
    expect(html.match(/autofocus/g)).toHaveLength(1);
    expect(html).toMatch(/id="id_mood" role="radiogroup"[^>]* aria-invalid="true"/);
    const data = JSON.parse(/id="walras-form">(.*?)<\/script>/.exec(html)?.[1] ?? "");
    expect(data).toEqual({
      answers: { age: `x${EVIL}`, share: "1,5", raw: "kept" },
      errors: { age: "No <number>", mood: "Required" },
      failed: true,
    });
  });

  test("a page-level error alone gets the focus itself", async () => {
    const html = await render("{{ formfields }}", ["age"], { errors: {} });
    expect(html).toContain('role="alert" tabindex="-1" autofocus>Please fix the errors.</div>');
  });
});

describe("the tags of forms", () => {
  test("{{ formfields }} makes one table of neighbours on one scale; named fields come in the order asked for", async () => {
    const html = await render("{{ formfields }}", ["q1", "q2", "q3"]);
    expect(html.match(/class="likert-table"/g)).toHaveLength(1);
    expect(html).toMatch(/<div class="likert-head" aria-hidden="true">.*<span class="likert-point">So so<\/span>/);
    // Each point is named in each row all the same.
    expect(html.match(/<label class="form-check-label" for="id_q[12]-1">So so<\/label>/g)).toHaveLength(2);
    const some = await render('{{ formfields "age" "name" }}', ["name", "age", "bid"]);
    expect(some.indexOf('name="age"')).toBeLessThan(some.indexOf('name="name"'));
    expect(some).not.toContain('name="bid"');
  });

  test("{{ formfield }} takes a name or a field, and another label, which is text unless marked safe", async () => {
    expect(await render('{{ formfield "age" }}', ["age"])).toContain('for="id_age">Age</label>');
    expect(await render("{{ formfield 'age' label='How <old>?' }}", ["age"])).toContain(">How &lt;old&gt;?</label>");
    expect(await render('{{ formfield "age" label="How <b>old</b>?"|safe }}', ["age"])).toContain(
      ">How <b>old</b>?</label>",
    );
    const bare = await render('{{ formfield "age" label="" }}{{ formfield "mood" label="" }}', ["age", "mood"]);
    // Not for the eye, but for readers of the screen.
    expect(bare).not.toContain("form-label");
    expect(bare).toMatch(/name="age"[^>]* aria-label="Age"/);
    expect(bare).toMatch(/role="radiogroup"[^>]* aria-label="Mood"/);
    // As it was written before oTree 5, and without its value being read.
    expect(await render("{% formfield player.age label='Old' %}", ["age"])).toContain('for="id_age">Old</label>');
    const each = await render("{{ for field in form }}{{ formfield field }}{{ endfor }}", ["age", "name"]);
    expect(each).toMatch(/name="age".*name="name"/);
  });

  test("{{ formfield_errors }} stands beside an input that the author wrote", async () => {
    const source = '<input name="age">{{ formfield_errors "age" }}';
    expect(await render(source, ["age"], { posted: {}, errors: { age: "Missing" } })).toContain(
      '<input name="age"><div class="form-control-errors" id="id_age-error">Missing</div>',
    );
  });

  test("{{ form.x }} is the input alone, with label, errors, help and single choices", async () => {
    expect(await render("[{{ form.age }}]", ["age"])).toMatch(/\[<input type="text"[^>]*>\]/);
    expect(await render("[{{ form.name.label }}|{{ form.name.help_text }}|{{ form.name.id }}]", ["name"])).toMatch(
      /\[<label class="form-label" for="id_name">.*<\/label>\|First &amp; last\|id_name\]/,
    );
    expect(
      await render("[{{ for choice in form.size }}{{ choice }}:{{ choice.label.text }};{{ endfor }}]", ["size"]),
    ).toMatch(/\[<input type="radio"[^>]*value="1"[^>]*>:1;<input type="radio"[^>]*value="2"[^>]*>:2;\]/);
    const all =
      "{{ if form.errors }}{{ for name, texts in form.errors }}[{{ name }}: {{ texts.0 }}]{{ endfor }}{{ else }}[fine]{{ endif }}";
    expect(await render(all, ["age", "name"], { errors: { age: "Bad" } })).toContain("[age: Bad]");
    expect(await render(all, ["age"])).toContain("[fine]");
    expect(await render("[{{ form.size.0 }}{{ form.size.1.label }}]", ["size"])).toMatch(
      /\[<input type="radio"[^>]*value="1"[^>]*><label[^>]*>2<\/label>\]/,
    );
    expect(
      await render("{{ for e in form.age.errors }}<i>{{ e }}</i>{{ endfor }}", ["age"], { errors: { age: "<Bad>" } }),
    ).toContain("<i>&lt;Bad&gt;</i>");
  });

  test("with a name that is not on the page say so, with file and line", async () => {
    await expect(render('\n{{ formfield "agee" }}', ["age"])).rejects.toThrow(
      /apps\/app\/Page\.html line 2: \{\{ formfield "agee" \}\}: the formFields of page Page are age/,
    );
  });
});
