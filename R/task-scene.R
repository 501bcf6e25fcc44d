# What surrounds a task where it is written: the global environment and the search path.

# Where the names are found that are not local, which stays the same for a while: `here`, in the
# global environment; behind it, by name, the `packages` beside R's own, and the environments of
# `data` that were attached.
locate_names <- function(syntax, found) {
  scene <- scene_of(found)
  if (!identical(syntax$scene, scene$id)) {
    syntax$here <- intersect(syntax$all, scene$objects)
    frames <- find_frames(syntax$certain, parent.env(globalenv()))
    labels <- vapply(frames, frame_package, "")
    syntax$packages <- labels[nzchar(labels) & !labels %in% default_packages]
    syntax$data <- frames[!nzchar(labels) & !is_tool(vapply(frames, environmentName, ""))]
    syntax$scene <- scene$id
  }
}

# The names in the global environment and on the search path, and what follows from them alone.
current_scene <- function() {
  objects <- names(globalenv())
  path <- search()
  last <- the$scene
  if (!identical(last$objects, objects) || !identical(last$path, path) || !last$fixed) {
    # What else is attached may change under the same name.
    fixed <- all(startsWith(path, "package:") | path == ".GlobalEnv" | is_tool(path))
    the$scene <- list(
      id = (last$id %||% 0) + 1, objects = objects, path = path, fixed = fixed,
      # Most sessions have used random numbers.
      methods = split_names(objects[objects != ".Random.seed"])
    )
  }
  the$scene
}

# The same throughout a search.
scene_of <- function(found) {
  if (is.null(found$scene)) found$scene <- current_scene()
  found$scene
}

# What R and its front ends put on the search path.
is_tool <- function(label) {
  label == "Autoloads" | grepl("^(tools|org|devtools)[:_]", label)
}
