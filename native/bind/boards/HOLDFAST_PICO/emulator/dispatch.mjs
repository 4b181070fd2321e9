// rp2040js finds what an instruction does by trying one after the other; here a table finds it, and a word is stored to
// RAM at once: it is half as fast again and does the same, since what an instruction does stays the text of rp2040js.
//   dispatchByTable(chip)    changes this chip
// What a table of first halves cannot tell, the instructions of 32 bits, goes the long way.
const RAM = 0x20000000;
const WIDE = 0xe800; // opcodes from here on may have a second half
const LONG_WAY = 255;
const BRANCH = /^ {8}(?:else )?if \((.*\bopcode\b.*)\) \{$/;
const ELSE = "        else {";

export function dispatchByTable(chip) {
  chip.core.executeInstruction = tabled(chip.core.executeInstruction);
  const { sram, sramView } = chip;
  const write = chip.writeUint32.bind(chip);
  chip.writeUint32 = (address, value) => {
    const at = (address >>> 0) - RAM;
    if (at >= 0 && at + 3 < sram.length) sramView.setUint32(at, value, true);
    else write(address, value);
  };
}

// The branches of the function's text: under which condition which lines.
function branchesOf(text) {
  const branches = [];
  for (const line of text.split("\n")) {
    const [, condition] = BRANCH.exec(line) ?? [];
    if (condition) branches.push({ condition, body: "" });
    else if (line === ELSE && branches.length) return branches;
    else if (branches.length) branches.at(-1).body += `${line}\n`;
  }
  throw new Error("this rp2040js executes instructions in another way");
}

function tabled(slow) {
  const branches = branchesOf(slow.toString());
  const tests = branches.map(({ condition }, at) => `if (${condition}) return ${at};\n`).join("");
  const find = new Function("opcode", "opcode2", `${tests} return ${LONG_WAY};`);
  const table = new Uint8Array(1 << 16).fill(LONG_WAY);
  for (let opcode = 0; opcode < WIDE; opcode++) table[opcode] = find(opcode, 0);
  const cases = branches.map(({ body }, at) => `case ${at}: {\n${body}\nbreak;\n`).join("");
  const names = {
    table,
    slow,
    signExtend8: (value) => (value << 24) >> 24,
    signExtend16: (value) => (value << 16) >> 16,
    spRegister: 13,
    pcRegister: 15,
    LOG_NAME: "CortexM0Core",
  };
  const source = `return function () {
    if (this.interruptsUpdated && this.checkForInterrupts()) this.waiting = false;
    const opcodePC = this.PC & ~1;
    const opcode = this.readUint16(opcodePC);
    const found = table[opcode];
    if (found === ${LONG_WAY}) return slow.call(this);
    const opcode2 = 0;
    this.PC += 2;
    let deltaCycles = 1;
    switch (found) {${cases}}
    this.cycles += deltaCycles;
    return deltaCycles;
  }`;
  return new Function(...Object.keys(names), source)(...Object.values(names));
}
