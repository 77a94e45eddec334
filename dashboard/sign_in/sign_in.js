// Posts name and password, or the session that the page was given, and starts over as that person.
export default function ({ data, parentElement }) {
  const known = parentElement.querySelector(".sign-in");
  if (known) return;
  const form = document.createElement("form");
  form.className = "sign-in";
  const problem = document.createElement("p");
  problem.className = "problem";
  problem.setAttribute("role", "alert");
  if (data.session) {
    form.append("One moment …", problem);
    parentElement.append(form);
    post(data, { session: data.session }, problem);
    return;
  }
  const name = field("Name", "text", "username");
  const password = field("Password", "password", "current-password");
  const button = document.createElement("button");
  button.type = "submit";
  button.textContent = "Sign in";
  form.append(name.label, password.label, button, problem);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await post(data, { name: name.input.value, password: password.input.value }, problem);
    button.disabled = false;
    password.input.select();
  });
  parentElement.append(form);
  name.input.focus();
}

function field(title, type, autocomplete) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type, autocomplete, required: true, name: autocomplete });
  label.append(title, input);
  return { label, input };
}

async function post(data, body, problem) {
  problem.textContent = "";
  try {
    const response = await fetch(new URL(data.post, document.baseURI), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    if (response.ok) return window.location.reload();
    const answer = await response.json().catch(() => null);
    problem.textContent = answer?.problem ? `${answer.problem} ${answer.mend}` : `The server answered ${response.status}.`;
  } catch {
    problem.textContent = "The server cannot be reached. Try again.";
  }
}
