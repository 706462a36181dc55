import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    {
      name: "auction",
      displayName: "Open auction",
      doc: "Four bidders, one item. Every bid shows on all screens at once; whoever bid the most gets the item.",
      appSequence: ["auction"],
      numDemoParticipants: 4,
    },
    {
      name: "tictactoe",
      displayName: "Tic-tac-toe",
      doc: "Two players take turns on one board. The server keeps the board and checks every move.",
      appSequence: ["tictactoe"],
      numDemoParticipants: 2,
    },
    {
      name: "ten_messages",
      displayName: "Ten messages",
      doc: "Two players write to each other; after ten messages, everybody moves on together.",
      appSequence: ["ten_messages"],
      numDemoParticipants: 2,
    },
    {
      name: "chat_stream",
      displayName: "Chat with an assistant",
      doc: "Two players share a chat with a language model, whose answers appear word by word. It says something without one, too.",
      appSequence: ["chat_stream"],
      numDemoParticipants: 2,
    },
    {
      name: "prisoners_live",
      displayName: "Prisoner's dilemma",
      doc: "Two players choose at the same time. Each sees whether the other is there; the computer steps in for whoever is gone.",
      appSequence: ["prisoners_live"],
      numDemoParticipants: 2,
    },
    {
      name: "ultimatum",
      displayName: "Ultimatum game",
      doc: "One proposes how to share an amount, the other accepts or rejects it for both. Forms, wait pages and time limits.",
      appSequence: ["ultimatum"],
      numDemoParticipants: 2,
    },
    {
      name: "public_goods",
      displayName: "Public goods game",
      doc: "Three rounds in groups of three. Half of the groups have a project that is worth more than the others'.",
      appSequence: ["public_goods"],
      numDemoParticipants: 6,
      treatments: ["low", "high"],
    },
    {
      name: "survey",
      displayName: "Survey",
      doc: "A questionnaire with every kind of question: texts, numbers, choices, scales, sliders and amounts.",
      appSequence: ["survey"],
      numDemoParticipants: 1,
    },
    {
      name: "lobby",
      displayName: "Weakest link",
      doc: "Pairs form as people arrive; the lower of two efforts counts. In the end everybody sees how all pairs did.",
      appSequence: ["lobby"],
      numDemoParticipants: 4,
    },
    {
      name: "public_goods_continuous",
      displayName: "Public good in continuous time",
      doc: "Three players move sliders whenever they like and earn by the second, until the time is up for all at the same moment.",
      appSequence: ["public_goods_continuous"],
      numDemoParticipants: 3,
      // A short one, to look at.
      seconds: 20,
    },
    {
      name: "dutch_clock",
      displayName: "Dutch clock auction",
      doc: "The price falls by itself; whoever stops the clock first has bought. The clock is the server's.",
      appSequence: ["dutch_clock"],
      numDemoParticipants: 3,
    },
  ],
});
