// Code examples, ready to run: a curl command and three lines of JavaScript. Only the
// style sheet shortens the tokens, so a copy contains them completely.

export class Snippets {
  #options;
  #curl = document.getElementById("curl");

  constructor(options) {
    this.#options = options;
    document.getElementById("listen").append(...listen(options));
    for (const button of document.querySelectorAll("[data-copies]")) {
      button.addEventListener("click", () => copy(button));
    }
  }

  /** Shows the curl command that publishes draft. */
  show(draft) {
    const { url, publisher } = this.#options;
    const members = Object.entries(draft).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
    const body = `{\n${members.join(",\n")}\n  }`.replaceAll("'", `'\\''`);
    this.#curl.replaceChildren(
      `curl ${url}/notify \\\n  -H 'Content-Type: application/json' \\\n  -H 'Authorization: Bearer `,
      span("token", publisher),
      `' \\\n  -d '${body}'`,
    );
  }
}

function listen({ url, user }) {
  return [
    `const { connect } = await import("${url}/client.js");\n`,
    `const bell = connect({ url: "${url}", token: () => "`, span("token", user), `" });\n`,
    `for await (const { title } of bell) console.log(title); `, span("remark", "// each once, in order"),
  ];
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(source.textContent);
    done(button, "Copied");
  } catch {
    // The clipboard is not available or not permitted: select the text for the keyboard.
    getSelection().selectAllChildren(source);
    done(button, "Selected");
  }
}

function done(button, word) {
  const label = button.querySelector("span");
  const use = button.querySelector("use");
  label.textContent = word;
  use.setAttribute("href", "#icon-check");
  button.classList.add("done");
  setTimeout(() => {
    label.textContent = "Copy";
    use.setAttribute("href", "#icon-copy");
    button.classList.remove("done");
  }, 1800);
}

function span(name, text) {
  const node = document.createElement("span");
  node.className = name;
  node.textContent = text;
  return node;
}
