/** CLOCK_BOOTTIME: the clock of every time in the maps; goes on while the machine sleeps. */
import { bootTimeNs } from '../../native/index.ts'

export const bootTime_ns = (): bigint => bootTimeNs()
