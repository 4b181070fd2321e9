// Run the dual suite in one WebAssembly build of MicroPython.
//   node dialects.mjs MICROPYTHON_MJS ROOT [WORD...]
// The tree is copied into the build's own file system. A word keeps the tests whose name contains it. The last line is
// `N passed, N failed`; the exit code is 1 on any failure and when nothing ran.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const HEAP = 16 << 20;
const FOLDERS = [
  "native/holdfast_core",
  "device/holdfast_device",
  "device/holdfast_deploy",
  "device/examples",
  "device/examples/boards",
  "tests/dual",
  "tests/testkit",
  "tests/vectors",
];
const FILES = /\.(py|jsonl|txt)$/;
const [module, root, ...words] = process.argv.slice(2);

const { loadMicroPython } = await import(pathToFileURL(path.resolve(module)));
let micropython;

function copy(from, to) {
  micropython.FS.mkdirTree(to);
  for (const name of fs.readdirSync(from)) {
    if (FILES.test(name)) micropython.FS.writeFile(`${to}/${name}`, fs.readFileSync(path.join(from, name)));
  }
}

// A Python error has its trace in its message; the rest of it is this program's, and long.
function python(source) {
  try {
    micropython.runPython(source);
  } catch (error) {
    console.log(String(error.message));
    process.exit(1);
  }
}

function ask(expression) {
  python(`answer = ${expression}`);
  return micropython.globals.get("answer");
}

async function begin() {
  micropython = await loadMicroPython({ heapsize: HEAP, stdout: (line) => console.log(line) });
  for (const folder of FOLDERS) copy(path.join(root, folder), `/${folder}`);
  copy(path.dirname(fileURLToPath(import.meta.url)), "/lent"); // cryptolib.py, suite.py
  micropython.registerJsModule("lent_by_node", {
    aes(key, iv, blocks) {
      const name = `aes-${4 * key.length}-${iv ? "cbc" : "ecb"}`;
      const cipher = crypto.createCipheriv(name, Buffer.from(key, "hex"), iv ? Buffer.from(iv, "hex") : null);
      return cipher.setAutoPadding(false).update(blocks, "hex", "hex");
    },
  });
  python(`
import gc, sys
sys.path[:] = ["/tests/dual", "/tests", "/native", "/device", "/lent", ".frozen"]
import suite
`);
}

await begin();
console.log(`MicroPython ${ask('"{}.{}.{}, {} bits".format(*sys.implementation[1][:3], 32 if sys.maxsize < 2 ** 32 else 64)')}`);
let passed = 0;
let failed = 0;
for (const file of ask("suite.files()").split("\n")) {
  if (words.length && !words.some((word) => word.includes(file) || file.includes(word))) continue;
  await begin();
  for (const name of ask(`suite.names("${file}")`).split("\n")) {
    if (words.length && !words.some((word) => name.includes(word))) continue;
    const began = Date.now();
    if (ask(`suite.run("${name}")`)) passed++;
    else failed++;
    python("gc.collect()");
    if (process.env.DIALECTS_TIMES) console.log(`${Date.now() - began} ms ${name}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed || !passed ? 1 : 0;
