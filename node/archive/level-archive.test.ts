import { archiveConformance } from './archive.conformance.ts'
import { openTestArchive, temporaryFolder } from './archive.fixture.ts'

archiveConformance('LevelDB over a value log', {
  async open({ clock, timers }) {
    const folder = await temporaryFolder()
    const open = () => openTestArchive(folder.path, { clock, timers })
    return {
      archive: await open(),
      reopen: open,
      remove: async () => await folder[Symbol.asyncDispose](),
    }
  },
})
