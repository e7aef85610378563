// What the scripts share: checks that tell their names, and waiting for events instead of for time.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** Run a check and print its name when it has passed. An error ends the script: the test sees its exit code. */
export async function check(name, body) {
  console.error(`... ${name}`); // where it stopped, if the test has to end it
  await body();
  console.log(JSON.stringify({ tested: name }));
}

/** The same for what Airwave does not have: the library must get the error, Redis's for an unknown command. */
export async function missing(name, body, error = /unknown (sub)?command/i) {
  console.error(`... without ${name}`);
  await assert.rejects(body, error);
  console.log(JSON.stringify({ missing: name }));
}

/** Ask until the answer is true, and return it. The test that runs the script has the deadline. */
export async function until(condition) {
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    await pause(2);
  }
}

/** Keeps what a listener is called with, for a check that takes one after the other. */
export class Mailbox {
  #calls = [];
  #takers = [];

  put = (...args) => {
    const taker = this.#takers.shift();
    if (taker) taker(args);
    else this.#calls.push(args);
  };

  async take() {
    return this.#calls.shift() ?? (await new Promise((resolve) => this.#takers.push(resolve)));
  }

  get isEmpty() {
    return this.#calls.length === 0;
  }
}

/** Whether a connection with this name waits in a blocking command, as CLIENT LIST tells. */
export function isBlocked(clientList, name) {
  return clientList.split("\n").some((line) => line.includes(` name=${name} `) && / flags=\w*b/.test(line));
}
