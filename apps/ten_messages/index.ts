import { boolean, defineApp, integer, link, longText } from "walras";

const app = defineApp({
  name: "ten_messages",
  title: "Ten messages",
  doc: "Keeps the players on the page until they have written ten messages to each other.",
  playersPerGroup: 2,
  constants: { messagesNeeded: 10, maxLength: 500 },
  group: {
    numMessages: integer({ initial: 0, doc: "Messages that were written" }),
    gameFinished: boolean({ initial: false, doc: "1: enough were written" }),
  },
  extraModels: {
    Message: { player: link("player"), text: longText({ doc: "What was written" }) },
  },
});
const { Message } = app.extraModels;
const { messagesNeeded, maxLength } = app.constants;

app.page("Talk", {
  live(player, data: { type: "load" } | { type: "message"; text: string }) {
    const { group } = player;
    if (data.type === "load") {
      const history = Message.filter({ group }).map((message) => ({
        id_in_group: message.player.idInGroup,
        text: message.text,
      }));
      // Somebody who loads the page after the tenth message goes on at once.
      const type = group.gameFinished ? "game_finished" : "history";
      return { [player.idInGroup]: { type, history, num_messages: group.numMessages } };
    }
    const text = String(data.text).trim().slice(0, maxLength);
    if (text === "" || group.gameFinished) return;
    Message.create({ player, text });
    group.numMessages += 1;
    if (group.numMessages >= messagesNeeded) {
      group.gameFinished = true;
      return { 0: { type: "game_finished" } };
    }
    return { 0: { type: "message", id_in_group: player.idInGroup, text, num_messages: group.numMessages } };
  },
  jsVars: (player) => ({ my_id: player.idInGroup, needed: messagesNeeded }),
  errorMessage: (player) => (player.group.gameFinished ? undefined : "Please write ten messages together first."),
});

app.page("Results", {
  varsForTemplate: (player) => ({
    messages: Message.filter({ group: player.group }).map((message) => ({
      is_mine: message.player.idInGroup === player.idInGroup,
      text: message.text,
    })),
  }),
});

export default app;
