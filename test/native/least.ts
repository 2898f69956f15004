/** What the addon can do with few capabilities, for tests: `least.ts features | life BPFFS`. */
import { join } from 'node:path'
import { BpfMap, probeFeatures } from '../../native/index.ts'
import { loadFixture } from './fixture.ts'

const [, , command = '', bpffs = ''] = process.argv

/** Load, pin, forget, open, use again: a restart of the agent. */
async function life(): Promise<object> {
  const pin = join(bpffs, 'pairs')
  const object = await loadFixture(['classify', 'allow4'])
  const map = object.map('pairs')
  const fresh = map.layouts().key?.name
  map.pin(pin)
  map.close()
  object.close()
  const again = BpfMap.open(pin)
  const reopened = again.layouts().key
  const second = await loadFixture(['classify'], (object) => object.reuseMap('pairs', again))
  const reused = second.program('classify').testRun({ data: new Uint8Array(64) }).returnValue
  const missing = probeFeatures().filter((probe) => !probe.available)
  return { missing: missing.map(({ name, why }) => `${name}: ${why}`), fresh, reopened, reused }
}

const result = command === 'features' ? probeFeatures() : await life()
process.stdout.write(`${JSON.stringify(result)}\n`)
