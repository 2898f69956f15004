/**
 * The packet programs over maps of their own, filled by the agent's own rules, and run by
 * BPF_PROG_TEST_RUN. Nothing is attached or pinned: it is gone with the last handle.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { packetMapLayouts, reasonTexts } from '../../agent/maps/abi.gen.ts'
import type { MapName, PacketMapName } from '../../agent/maps/abi.gen.ts'
import { kernelMaps } from '../../agent/maps/kernel.ts'
import { metaOf } from '../../agent/maps/meta.ts'
import { writeNodeAddresses } from '../../agent/maps/node-addresses.ts'
import type { Maps } from '../../agent/maps/table.ts'
import { parseAddress } from '../../agent/model/address.ts'
import { BpfObject, bootTimeNs } from '../../native/index.ts'
import type { BpfMap, BpfProgram } from '../../native/index.ts'
import { Rig } from '../support/rig.ts'
import { places, worldYaml } from './world.ts'

export const programNames = [
  'pod_ingress',
  'pod_egress',
  'uplink_ingress',
  'uplink_egress',
] as const
export type ProgramName = (typeof programNames)[number]

export type Verdict = 'pass' | 'rewritten' | 'answered' | 'drop'

export interface Outcome {
  readonly verdict: Verdict
  readonly bytes: Buffer
  /** The masquerade mark is on it. */
  readonly isMarked: boolean
}

const objectPath = fileURLToPath(new URL('../../build/bpf/tc.o', import.meta.url))
const mark = 0x20_0000
/** A bit of somebody else's that must stay. */
const foreignMark = 0x4000
const packetMapNames = Object.keys(packetMapLayouts) as PacketMapName[]
/** TC_ACT_* as the kernel returns them. */
const actions: ReadonlyMap<number, 'next' | 'drop' | 'redirect'> = new Map([
  [0xffff_ffff, 'next'],
  [2, 'drop'],
  [7, 'redirect'],
])

export class Stage {
  readonly maps: Maps
  readonly rig: Rig
  readonly #packetMaps: ReadonlyMap<string, BpfMap>
  readonly #programs: ReadonlyMap<string, BpfProgram>

  constructor() {
    const object = new BpfObject(readFileSync(objectPath), 'tc')
    try {
      object.setKnob('masquerade_mark', Buffer.from(Uint32Array.of(mark).buffer))
      object.load()
      this.maps = kernelMaps((name: MapName) => object.map(name))
      this.#packetMaps = new Map(packetMapNames.map((name) => [name, object.map(name)]))
      this.#programs = new Map(programNames.map((name) => [name, object.program(name)]))
    } finally {
      object.close()
    }
    this.rig = new Rig(this.maps)
  }

  async fill(): Promise<void> {
    const addresses = Object.values(places).map(({ node }) => ({
      address: parseAddress(node) ?? Buffer.alloc(16),
      hasNodePorts: true,
    }))
    writeNodeAddresses(this.maps.nodeAddresses, addresses)
    this.rig.start()
    await this.change(worldYaml())
  }

  async change(yaml: string): Promise<void> {
    this.rig.put(yaml, 'world')
    await this.rig.settle()
  }

  run(program: ProgramName, packet: Uint8Array): Outcome {
    const context = Buffer.alloc(192)
    context.writeUInt32LE(foreignMark, 8)
    const {
      returnValue,
      data,
      context: after,
    } = this.program(program).testRun({
      data: packet,
      context,
    })
    const bits = after.readUInt32LE(8)
    if ((bits & foreignMark) === 0) throw new Error(`${program} took a foreign mark away`)
    const isMarked = (bits & mark) !== 0
    const action = actions.get(returnValue)
    if (action === undefined) throw new Error(`${program} returned ${returnValue}`)
    if (action === 'drop') return { verdict: 'drop', bytes: data, isMarked }
    if (action === 'redirect') return { verdict: 'answered', bytes: data, isMarked }
    const isSame = data.equals(packet)
    return { verdict: isSame ? 'pass' : 'rewritten', bytes: data, isMarked }
  }

  program(name: ProgramName): BpfProgram {
    const program = this.#programs.get(name)
    if (program === undefined) throw new Error(`tc.o has no ${name}`)
    return program
  }

  packetMap(name: PacketMapName): BpfMap {
    const map = this.#packetMaps.get(name)
    if (map === undefined) throw new Error(`tc.o has no ${name}`)
    return map
  }

  /** Every flow and fragment forgotten, affinity too; bypass off, no lease. */
  reset(): void {
    for (const name of ['flows', 'flows_new', 'fragments'] as const) {
      const map = this.packetMap(name)
      const { keys, count } = map.entries()
      if (count > 0) map.deleteBatch(keys, count)
    }
    const { keys } = this.maps.affinity.entries()
    if (keys.count > 0) this.maps.affinity.deleteBatch(keys)
    const meta = metaOf(this.maps.meta)
    meta.setBypass(false)
    meta.setLease(0n)
    meta.setHeartbeat(bootTimeNs())
  }

  /** Reasons that were counted while `work` ran, by name. */
  counted(work: () => void): ReadonlyMap<string, number> {
    const before = this.maps.reasons()
    work()
    const after = this.maps.reasons()
    const counts = reasonTexts.map(
      ({ name }, i) => [name, Number((after[i] ?? 0n) - (before[i] ?? 0n))] as const,
    )
    return new Map(counts.filter(([, n]) => n > 0))
  }

  close(): void {
    this.rig.stop()
    for (const handle of [...this.#packetMaps.values(), ...this.#programs.values()]) handle.close()
    this.maps.close()
  }
}
