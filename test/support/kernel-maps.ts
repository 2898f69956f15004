/** Real maps without pins: they are gone when the last handle is closed. Needs root and a build. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { MapName } from '../../agent/maps/abi.gen.ts'
import type { FakeSizes } from '../../agent/maps/fake.ts'
import { kernelMaps } from '../../agent/maps/kernel.ts'
import { checkLayout } from '../../agent/maps/layout.ts'
import type { Maps } from '../../agent/maps/table.ts'
import { BpfObject } from '../../native/index.ts'

export const objectPath = fileURLToPath(new URL('../../build/bpf/sock.o', import.meta.url))

/** Their layouts are compared as the agent does. */
export function openKernelMaps(sizes: Partial<FakeSizes>): Maps {
  const object = new BpfObject(readFileSync(objectPath), 'sock')
  try {
    for (const program of object.programNames()) object.setAutoload(program, false)
    for (const [map, size] of Object.entries(sizes)) object.setMaxEntries(map, size)
    object.load()
    return kernelMaps((name: MapName) => {
      const map = object.map(name)
      checkLayout(name, map.layouts())
      return map
    })
  } finally {
    object.close()
  }
}
