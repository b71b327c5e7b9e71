/* Standard input, output and error as open files, whatever the program was started with.
 *
 * A program that begins with one of them closed gets its next descriptor in its place: an epoll set
 * then takes what was meant for the terminal, and goes on to children. */
#ifndef BANGER_BASE_STD_FDS_H
#define BANGER_BASE_STD_FDS_H

/* The first thing in main. What was closed reads and writes as closed files do: with EBADF, or
 * EISDIR. */
void std_fds_open(void);

#endif
