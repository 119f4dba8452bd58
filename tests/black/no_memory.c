/* SPDX-License-Identifier: Apache-2.0
 * Memory that runs out when a test says so: preloaded (LD_PRELOAD), it refuses every Nth malloc,
 * calloc, realloc and aligned_alloc that the program itself (not a library) asks for; N is the
 * first four bytes of the file WASL_TEST_MEMORY, 0 refuses none, and the next four count the
 * refusals. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
	volatile uint32_t every;
	uint32_t refused; /* atomic */
};

static struct control *control;
static uintptr_t program_begin, program_end;
static uint32_t asked;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* The first object is the program itself. */
static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *const part = &info->dlpi_phdr[i];
		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		program_begin = info->dlpi_addr + part->p_vaddr;
		program_end = program_begin + part->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void begin(void)
{
	const char *const path = getenv("WASL_TEST_MEMORY");
	const int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	dl_iterate_phdr(find_program, NULL);
	void *const map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		control = map;
}

static bool is_refused(const void *caller)
{
	const uintptr_t at = (uintptr_t)caller;
	const uint32_t every = control != NULL ? control->every : 0;
	if (every == 0 || at < program_begin || at >= program_end)
		return false;
	if (__atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED) % every != 0)
		return false;
	__atomic_add_fetch(&control->refused, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return is_refused(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return is_refused(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return is_refused(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return is_refused(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
