/** One holder per directory, who can be named. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FileLock, isBpffs, mountBpffs } from '../../native/index.ts'
import { requires } from '../support/requires.ts'
import { start } from '../support/process.ts'
import { firstLine } from '../support/place.ts'
import { runDirectory } from '../support/run.ts'
import { makeBpffs, thrown } from './fixture.ts'

const directory = join(runDirectory(), 'lock')
beforeAll(() => void mkdirSync(directory, { recursive: true }))
afterAll(() => rmSync(directory, { recursive: true }))

test('a lock is held once, by name, and free again after close', () => {
  const lock = FileLock.take(directory)
  expect(lock).not.toBeNull()
  expect(FileLock.take(directory)).toBeNull()
  expect(FileLock.holder(directory)).toBe(process.pid)
  lock?.close()
  lock?.close()
  expect(FileLock.holder(directory)).toBe(0)
  FileLock.take(directory)?.close()
})

test('a lock that another process holds names that process, and goes with it', async () => {
  const file = join(directory, 'file')
  writeFileSync(file, '')
  const child = start(['flock', file, 'sh', '-c', 'echo held; exec cat'])
  await firstLine(child)
  expect(FileLock.take(file)).toBeNull()
  expect(FileLock.holder(file)).toBe(child.pid)
  child.process.stdin?.end()
  await child.ended
  FileLock.take(file)?.close()
})

test('a path that is not there is ENOENT', () => {
  const path = join(directory, 'none')
  expect(thrown(() => FileLock.take(path))).toMatchObject({ code: 'ENOENT', op: `lock ${path}` })
  expect(thrown(() => FileLock.holder(path)).code).toBe('ENOENT')
  expect(thrown(() => isBpffs(path)).code).toBe('ENOENT')
})

requires('root', 'bpf')('on a bpffs', () => {
  test('its directories can be locked', () => {
    const bpffs = makeBpffs()
    try {
      const pins = join(bpffs.path, 'pins')
      mkdirSync(pins)
      const lock = FileLock.take(pins)
      expect(FileLock.take(pins)).toBeNull()
      expect(FileLock.holder(pins)).toBe(process.pid)
      expect(FileLock.holder(bpffs.path)).toBe(0)
      lock?.close()
    } finally {
      bpffs.close()
    }
  })

  test('one is not mounted where there is no directory', () => {
    expect(thrown(() => mountBpffs(join(directory, 'none'))).code).toBe('ENOENT')
  })
})
