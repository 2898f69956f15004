import { beforeEach, describe, expect, test } from 'vitest'

import type { ObjectRef, Problem } from '../../../agent/model/objects.ts'
import { Store } from '../../../agent/model/store.ts'
import { project } from '../../../agent/kube/project.ts'
import { service, slice } from '../../support/objects.ts'

let store: Store

beforeEach(() => {
  store = new Store({ nodeName: 'n1' })
})

function node(name: string, zone: string) {
  const labels = { 'topology.kubernetes.io/zone': zone }
  const { object } = project({ kind: 'Node', metadata: { name, labels } }, '')
  if (object === undefined) throw new Error('no node')
  return object
}

function problem(ref: ObjectRef, message: string): Problem {
  return { ref, reason: 'BadPort', message, remedy: 'correct it' }
}

describe('what changed', () => {
  test('a put Service is dirty once, until it is drained', () => {
    store.put(service())
    store.put(service({ spec: { internalTrafficPolicy: 'Local' } }))
    expect(store.drainDirty()).toEqual({ services: ['default/web'], node: false })
    expect(store.drainDirty()).toEqual({ services: [], node: false })
  })

  test('an update that changes no field we keep is no change', () => {
    store.put(service())
    store.put(slice(['10.1.0.1']))
    store.drainDirty()
    store.put(service())
    store.put(slice(['10.1.0.1']))
    expect(store.isDirty()).toBe(false)
  })

  test('an object that only moved within its file is no change', () => {
    store.put(service())
    store.drainDirty()
    const moved = service()
    store.put({ ...moved, ref: { ...moved.ref, where: 'web.yaml:9' } })
    expect(store.isDirty()).toBe(false)
    expect(store.service('default/web')?.ref.where).toBe('web.yaml:9')
  })

  test('one changed endpoint of a slice marks its Service and no other', () => {
    store.put(service({ name: 'other', ips: ['10.96.0.2'] }))
    store.put(slice(['10.1.0.1']))
    store.drainDirty()
    store.put(slice(['10.1.0.1 !ready']))
    expect(store.drainDirty().services).toEqual(['default/web'])
  })

  test('a slice that changes its Service marks the old and the new one', () => {
    store.put(slice(['10.1.0.1']))
    store.drainDirty()
    store.put(slice(['10.1.0.1'], { service: 'shop' }))
    expect(store.drainDirty().services).toEqual(['default/web', 'default/shop'])
    expect(store.slicesOf('default/web')).toEqual([])
    expect(store.slicesOf('default/shop')).toHaveLength(1)
  })

  test('a removed Service is dirty, one that was never there is not', () => {
    store.put(service())
    store.drainDirty()
    store.remove('Service', 'default/web')
    store.remove('Service', 'default/ghost')
    expect(store.drainDirty().services).toEqual(['default/web'])
  })

  test("only this node's own object makes the node dirty", () => {
    store.put(node('n2', 'zb'))
    expect(store.drainDirty().node).toBe(false)
    store.put(node('n1', 'za'))
    expect(store.drainDirty().node).toBe(true)
    expect(store.node()?.zone).toBe('za')
  })
})

describe('slices', () => {
  test('O4: stand sorted by name, whatever the order they came in', () => {
    for (const name of ['web-c', 'web-a', 'web-b']) store.put(slice(['10.1.0.1'], { name }))
    const names = store.slicesOf('default/web').map(({ ref }) => ref.name)
    expect(names).toEqual(['web-a', 'web-b', 'web-c'])
  })

  test('O4: bind within their namespace only', () => {
    store.put(slice(['10.1.0.1'], { namespace: 'elsewhere' }))
    expect(store.slicesOf('default/web')).toEqual([])
  })

  test('of a Service that does not exist are kept for the day it does', () => {
    store.put(slice(['10.1.0.1']))
    expect(store.service('default/web')).toBeUndefined()
    expect(store.slicesOf('default/web')).toHaveLength(1)
    store.remove('EndpointSlice', 'default/web-1')
    expect(store.slicesOf('default/web')).toEqual([])
  })

  test('replaced in place are the new object', () => {
    store.put(slice(['10.1.0.1']))
    store.put(slice(['10.1.0.1', '10.1.0.2']))
    expect(store.slicesOf('default/web').map(({ count }) => count)).toEqual([2])
  })
})

describe('lists', () => {
  test('a kind is complete after its first whole list and stays so', () => {
    expect(store.isComplete('Service')).toBe(false)
    store.relisting('Service')
    expect(store.isComplete('Service')).toBe(false)
    store.relisted('Service')
    store.relisting('Service')
    expect(store.isComplete('Service')).toBe(true)
    expect(store.isComplete('EndpointSlice')).toBe(false)
  })

  test('what a list did not name is gone, what it named stays clean', () => {
    store.put(service())
    store.put(service({ name: 'old', ips: ['10.96.0.2'] }))
    store.drainDirty()
    store.relisting('Service')
    store.put(service())
    expect(store.service('default/old')).toBeDefined()
    store.relisted('Service')
    expect(store.service('default/old')).toBeUndefined()
    expect(store.drainDirty().services).toEqual(['default/old'])
  })

  test('a list that broke off removes nothing, the next one starts afresh', () => {
    store.put(service())
    store.put(service({ name: 'b', ips: ['10.96.0.2'] }))
    store.relisting('Service')
    store.put(service())
    store.relisting('Service')
    store.put(service({ name: 'b', ips: ['10.96.0.2'] }))
    store.relisted('Service')
    expect([...store.services()].map(({ ref }) => ref.name)).toEqual(['b'])
  })

  test('of one kind leave the others alone', () => {
    store.put(slice(['10.1.0.1']))
    store.relisting('Service')
    store.relisted('Service')
    expect(store.count('EndpointSlice')).toBe(1)
  })
})

describe('problems', () => {
  const { ref } = service()

  test('replace those told before of the same object', () => {
    store.problems(ref, [problem(ref, 'a')])
    store.problems(ref, [problem(ref, 'b')])
    expect(store.allProblems().map(({ message }) => message)).toEqual(['b'])
    store.problems(ref, [])
    expect(store.allProblems()).toEqual([])
  })

  test('are drained once, and again only when they are new', () => {
    store.problems(ref, [problem(ref, 'a')])
    store.problems(ref, [problem(ref, 'a'), problem(ref, 'b')])
    expect(store.drainProblems().map(({ message }) => message)).toEqual(['a', 'b'])
    store.problems(ref, [problem(ref, 'a')])
    expect(store.drainProblems()).toEqual([])
  })

  test('go with their object, removed or no longer listed', () => {
    store.put(service())
    store.problems(ref, [problem(ref, 'a')])
    store.remove('Service', 'default/web')
    expect(store.allProblems()).toEqual([])
    // One that never became an object, for all of it was wrong.
    store.problems(ref, [problem(ref, 'a')])
    store.relisting('Service')
    store.relisted('Service')
    expect(store.allProblems()).toEqual([])
  })
})
