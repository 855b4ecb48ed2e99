"""A file system without folders, as object stores are, in the memory of this process."""

import io
import re

from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

FILES = {}  # URL -> (content, time of its writing)
CREATED = []  # URLs, in the order in which they were written
REFUSED = []  # numbers of uploads that fail, once
CUT = []  # numbers of uploads that lose their last byte without a word


class MemoryFiles(FileSystem):
    """`mem://bucket/name`."""

    @classmethod
    def scheme(cls):
        return "mem"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        return [self.metadata(url) for url in list(FILES) if url.startswith(dir_or_prefix)]

    def create(self, path, mime_type=None, compression_type=None):
        if len(CREATED) in REFUSED:
            REFUSED.remove(len(CREATED))
            raise BeamIOError(f"{path}: the store is out of order")
        CREATED.append(path)
        return _Upload(path, len(CREATED) - 1 in CUT)

    def open(self, path, mime_type=None, compression_type=None):
        if path not in FILES:
            raise BeamIOError(f"{path}: no such object")
        return io.BytesIO(FILES[path][0])

    def copy(self, source_file_names, destination_file_names):
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            FILES[target] = FILES[source]

    def rename(self, source_file_names, destination_file_names):
        self.copy(source_file_names, destination_file_names)
        self.delete(source_file_names)

    def exists(self, path):
        return path in FILES

    def size(self, path):
        return len(FILES[path][0])

    def last_updated(self, path):
        return FILES[path][1]

    def metadata(self, path):
        return FileMetadata(path, self.size(path), self.last_updated(path))

    def delete(self, paths):
        for path in paths:
            for url in list(FILES):
                if re.fullmatch(self.translate_pattern(path), url):
                    del FILES[url]


class _Upload(io.BytesIO):
    def __init__(self, url, cut):
        super().__init__()
        self._url, self._cut = url, cut

    def close(self):
        if not self.closed:
            content = self.getvalue()[:-1] if self._cut else self.getvalue()
            FILES[self._url] = (content, float(len(CREATED)))
        super().close()
