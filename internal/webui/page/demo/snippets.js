// Code to take along, ready to run: a curl line and three lines of JavaScript.
// Tokens are shown shortened by the style sheet alone, so they copy whole.

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

  /** Shows the curl line that publishes draft. */
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
    // Not a secure context, or not allowed: select it, and the keyboard does the rest.
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
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}
