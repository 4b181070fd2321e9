// An RP2040 with a firmware: its USB serial line is this program's standard input and output.
//   node emulator.mjs ROM FIRMWARE_UF2 [IMAGE@FLASH_OFFSET ...] [+FILE@FLASH_OFFSET]
// An image is put into flash; with + in front the file is the flash from there on: read, and written when it changes, as
// often as 50 times a second. Ends when its input ends. The chip's clock falls behind the host's while it works, since an
// instruction takes the host longer, and is level with it whenever the chip waits. It emulates instructions and
// peripherals, not how long they take, nor power; never talks to a board.
import crypto from "node:crypto";
import fs from "node:fs";
import { Simulator, USBCDC } from "rp2040js";
import { dispatchByTable } from "./dispatch.mjs";

const UF2_BLOCK = 512;
const UF2_MAGIC = 0x0a324655;
const FLASH = 0x10000000;
const FLASH_SECTOR = 4096;
const ROSC = 0x40060; // its place in the address map, without the last three digits
const ROSC_RANDOMBIT = 0x1c;
const CYCLE_NANOS = 8;
const SLICE = 100000; // instructions between two looks at the input
const [rom, firmware, ...images] = process.argv.slice(2);

const simulator = new Simulator();
const chip = simulator.rp2040;
dispatchByTable(chip);
chip.logger = { debug() {}, info() {}, warn() {}, error() {} };

// The ring oscillator's random bit, which the emulator leaves at one value: the host's generator stands for it.
const oscillator = chip.peripherals[ROSC];
const registers = oscillator.readUint32.bind(oscillator);
oscillator.readUint32 = (offset) => (offset === ROSC_RANDOMBIT ? crypto.randomInt(2) : registers(offset));

const words = new Uint32Array(4096);
new Uint8Array(words.buffer).set(fs.readFileSync(rom));
chip.loadBootrom(words);

const uf2 = fs.readFileSync(firmware);
for (let at = 0; at < uf2.length; at += UF2_BLOCK) {
  if (uf2.readUInt32LE(at) !== UF2_MAGIC) throw new Error(`${firmware} is no UF2 file`);
  const target = uf2.readUInt32LE(at + 12) - FLASH;
  chip.flash.set(uf2.subarray(at + 32, at + 32 + uf2.readUInt32LE(at + 16)), target);
}
for (const image of images) {
  const [path, offset] = image.replace(/^\+/, "").split("@");
  const content = fs.readFileSync(path);
  chip.flash.set(content, Number(offset));
  if (image.startsWith("+")) keep(path, Number(offset), content);
}

// Write what the firmware changed, block by block and in place, so that a killed emulator is a power cut.
function keep(path, offset, known) {
  const file = fs.openSync(path, "r+");
  setInterval(() => {
    for (let at = 0; at < known.length; at += FLASH_SECTOR) {
      const now = chip.flash.subarray(offset + at, offset + at + FLASH_SECTOR);
      if (known.compare(now, 0, FLASH_SECTOR, at, at + FLASH_SECTOR) !== 0) {
        known.set(now, at);
        fs.writeSync(file, now, 0, FLASH_SECTOR, at);
      }
    }
  }, 20);
}

const line = new USBCDC(chip.usbCtrl);
const waiting = []; // what came from outside and has no room in the line yet
let connected = false;
let room = 0; // octets that the firmware takes, while there is nothing for it
line.onDeviceConnected = () => (connected = true);
line.onSerialData = (octets) => fs.writeSync(1, octets);
// rp2040js answers a firmware that has room with an empty packet, at once and without end: it would do nothing else.
const give = chip.usbCtrl.onEndpointRead;
chip.usbCtrl.onEndpointRead = (endpoint, size) => {
  if (endpoint === line.outEndpoint && line.txFIFO.empty) room = size;
  else give(endpoint, size);
};
process.stdin.on("data", (octets) => waiting.push(...octets));
process.stdin.on("end", () => process.exit(0));
setInterval(() => {
  while (connected && waiting.length && !line.txFIFO.full) line.sendSerialByte(waiting.shift());
  if (room && !line.txFIFO.empty) {
    const size = room;
    room = 0;
    give(line.outEndpoint, size);
  }
}, 1);

chip.onBreak = () => process.exit(1); // the firmware has given up
chip.core.SP = words[0];
chip.core.PC = words[1] & ~1;
run();

function run() {
  const { clock } = simulator;
  for (let done = 0; done < SLICE; done++) {
    if (!chip.core.waiting) {
      clock.tick(chip.core.executeInstruction() * CYCLE_NANOS);
      continue;
    }
    const behind = Math.max(0, Math.floor(performance.now() * 1e6 - clock.nanos));
    const alarm = clock.nextAlarm ? clock.nanosToNextAlarm : Infinity;
    clock.tick(Math.min(behind, alarm));
    if (behind < alarm) break;
  }
  if (chip.core.waiting) setTimeout(run, 1);
  else setImmediate(run);
}
