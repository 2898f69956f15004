import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  flBackend,
  flDatagrams,
  flEvent,
  flFrontend,
  flFrontendKey,
  flMeta,
  flReason,
  flRegion,
  mapLayouts,
  programSections,
  reasonTexts,
} from '../../../agent/maps/abi.gen.ts'
import type { AbiLayout } from '../../../agent/maps/abi.gen.ts'
import { FairleadError } from '../../../agent/errors.ts'
import { checkLayout } from '../../../agent/maps/layout.ts'
import { keyHash } from '../../../agent/maps/seal.ts'
import { address } from '../../support/wish.ts'

describe('generated layouts', () => {
  test('regenerating them from bpf/ changes nothing', () => {
    const script = fileURLToPath(new URL('../../../bpf/gen.mjs', import.meta.url))
    execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })
  })

  test('have no gap that no field names', () => {
    for (const { key, value } of Object.values(mapLayouts)) {
      for (const layout of [key, value] as (AbiLayout | null)[]) {
        let end = 0
        for (const { offset, size } of layout?.fields ?? []) {
          expect(offset).toBe(end)
          end += size
        }
        expect(end).toBe(layout?.size ?? 0)
      }
    }
  })

  test('write ports in network order and everything else in the order of the CPU', () => {
    const bytes = new Uint8Array(flBackend.size).fill(0xee)
    flBackend.write(new DataView(bytes.buffer), 0, {
      addr: address('10.0.0.1'),
      id: 0x01020304,
      zone: 5,
      port: 0x1f90,
      state: 1,
      isLocal: 1,
    })
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '00000000000000000000ffff0a000001' +
        '04030201' +
        '05000000' +
        '1f90' +
        '01' +
        '01' +
        '00000000',
    )
  })

  test('read what they wrote, wherever it lies in its buffer', () => {
    const seal = { keyHash: 7, generation: 8 }
    const frontend = { sealFirst: seal, serviceId: 3, flags: 1, sealLast: seal }
    const key = { addr: address('fd00::1'), port: 53, proto: 17, kind: 0 }
    const region = {
      serviceId: 1,
      flags: 2,
      affinityTimeoutS: 3,
      maglevBase: 4,
      localN: 5,
      clusterOffset: 6,
      clusterN: 7,
      totalN: 8,
    }
    const view = new DataView(new ArrayBuffer(64))
    flFrontend.write(view, 8, frontend)
    expect(flFrontend.read(view, 8)).toEqual(frontend)
    flFrontendKey.write(view, 4, key)
    expect(flFrontendKey.read(view, 4)).toEqual(key)
    flRegion.write(view, 16, region)
    expect(flRegion.read(view, 16)).toEqual(region)
  })

  test('know arrays of structs, of integers and of bytes', () => {
    const view = new DataView(new ArrayBuffer(512))
    const datagrams = flDatagrams.read(view, 0)
    expect(datagrams.slot).toHaveLength(8)
    flDatagrams.write(view, 0, { ...datagrams, next: 3 })
    expect(flDatagrams.read(view, 0).next).toBe(3)
    expect(flMeta.read(view, 0).canary).toHaveLength(8)
    expect(flEvent.read(view, 0).comm).toEqual(new Uint8Array(16))
  })

  test('every reason has a text, and every program a section', () => {
    expect(reasonTexts).toHaveLength(flReason.reasonN)
    expect(reasonTexts[flReason.noEndpoints].name).toBe('no_endpoints')
    expect(programSections.sock_connect4).toBe('cgroup/connect4')
  })
})

test('the hash of a key is FNV-1a over its words, as in bpf/lib/seal.h', () => {
  const key = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0)
  // (0x811c9dc5 ^ 1) * 0x01000193, then (… ^ 2) * 0x01000193, modulo 2^32.
  let hash = 0x811c9dc5n
  for (const word of [1n, 2n]) hash = ((hash ^ word) * 0x01000193n) & 0xffffffffn
  expect(keyHash(key, 0, 8)).toBe(Number(hash))
  expect(keyHash(key, 4, 4)).not.toBe(keyHash(key, 0, 4))
})

describe('a map of another layout', () => {
  const { key, value } = mapLayouts.frontends
  const asKernel = (layout: AbiLayout) => ({ ...layout, fields: [...layout.fields] })

  test('is refused with both layouts printed', () => {
    const others = value.fields.filter(({ name }) => name !== 'seal_first')
    const moved = { ...asKernel(value), fields: others }
    const check = () => checkLayout('frontends', { key: asKernel(key), value: moved })
    expect(check).toThrow(FairleadError)
    expect(check).toThrow(/open map frontends: its value in the kernel is not the one/)
    expect(check).toThrow(/kernel: struct fl_frontend, 24 bytes\n {2}8\+4 __u32 service_id/)
    expect(check).toThrow(/agent: struct fl_frontend, 24 bytes\n {2}0\+8 struct fl_seal seal_first/)
  })

  test('of the same shape, or without BTF, is taken', () => {
    checkLayout('frontends', { key: asKernel(key), value: asKernel(value) })
    checkLayout('frontends', { key: null, value: null })
  })
})
