/**
 * A language model that answers piece by piece: any server with the streaming chat API that OpenAI began and others
 * speak (llama.cpp, vLLM, Ollama ...), or a demo that needs no key.
 *
 *   CHAT_STREAM_URL    e.g. https://api.openai.com/v1/chat/completions; left out: the demo
 *   CHAT_STREAM_KEY    sent as a bearer token
 *   CHAT_STREAM_MODEL  the model's name
 */
export interface ModelMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The answer to a conversation, in pieces as they come. @throws the signal's reason; Error if the model does not answer */
export async function* streamAnswer(
  conversation: readonly ModelMessage[],
  signal: AbortSignal,
): AsyncGenerator<string> {
  // Bots in a browser import the app too, and there is no process there.
  const env = typeof process === "undefined" ? {} : process.env;
  const { CHAT_STREAM_URL, CHAT_STREAM_KEY, CHAT_STREAM_MODEL } = env;
  if (CHAT_STREAM_URL === undefined) {
    yield* demoAnswer(conversation, signal);
    return;
  }
  const response = await fetch(CHAT_STREAM_URL, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(CHAT_STREAM_KEY === undefined ? {} : { authorization: `Bearer ${CHAT_STREAM_KEY}` }),
    },
    body: JSON.stringify({ model: CHAT_STREAM_MODEL, messages: conversation, stream: true }),
    signal,
  });
  if (!response.ok || response.body === null) throw new Error(`The model answered ${response.status}.`);
  for await (const data of serverSentEvents(response.body)) {
    if (data === "[DONE]") return;
    const piece = pieceOf(data);
    if (piece !== "") yield piece;
  }
}

/** The `data` of server-sent events, however the bytes are cut. */
export async function* serverSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  for await (const bytes of body) {
    // A line may end in \r\n, and the \n come with the next bytes.
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "" && data.length > 0) {
        yield data.join("\n");
        data = [];
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
  }
}

/** The text in one event of the stream. */
function pieceOf(data: string): string {
  const event: { choices?: { delta?: { content?: string | null } }[]; error?: { message?: string } } = JSON.parse(data);
  if (event.error !== undefined) throw new Error(`The model failed: ${event.error.message}`);
  return event.choices?.[0]?.delta?.content ?? "";
}

/** Says back what it was told, word by word. */
async function* demoAnswer(conversation: readonly ModelMessage[], signal: AbortSignal): AsyncGenerator<string> {
  const question = conversation.at(-1)?.content ?? "";
  const words = `You say: “${question}” I am only a demo, but with a language model behind me I would have an answer.`;
  for (const word of words.split(/(?<= )/)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    signal.throwIfAborted();
    yield word;
  }
}
